import Datasets
import Experiments
import Foundation
import Tensors
import TestSupport
import Testing
import Values

@Suite struct DatasetTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func spec(_ node: JSON) throws -> DatasetSpec {
    try DatasetSpec(checking: node)
  }

  private var folders: DataFolders { DataFolders(roots: [folder.path]) }

  private func load(csv text: String, _ more: [(String, JSON)] = []) throws -> Dataset {
    try text.write(toFile: folder.path + "/data.csv", atomically: true, encoding: .utf8)
    var node: JSON = ["name": "csv", "path": "data.csv"]
    for (key, value) in more { node = node.setting([key], to: value) }
    return try Dataset.load(try spec(node), from: folders)
  }

  private static let fashionMNIST = FileManager.default.fileExists(
    atPath: "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")

  @Test(.enabled(if: fashionMNIST, "needs the Debian package dataset-fashion-mnist"))
  func fashionMNISTIsReadWhole() throws {
    let dataset = try Dataset.load(
      try spec("fashion-mnist"), from: DataFolders(environment: [:], home: "/nowhere"))
    #expect(dataset.train.count == 60_000 && dataset.test.count == 10_000)
    #expect(dataset.facts.digest == FashionMNIST.digest)
    for label in 0..<10 { #expect(dataset.train.labels.count { $0 == label } == 6_000) }
    // The published normalization makes the pixels' mean 0 and deviation 1.
    let out = Floats(count: 1000 * 784)
    _ = dataset.write(out.base, dataset.train, (0..<1000).map { $0 }, team: Team(size: 1))
    let mean = out.values.reduce(0, +) / Float(out.count)
    #expect(abs(mean) < 0.05)
  }

  @Test func csvRowsAreStandardizedAndSplitOnce() throws {
    let rows = (0..<50).map { "\($0),\(7),\(Double($0) * 0.5 - 3),\($0 % 3 == 0 ? "yes" : "no")" }
    let text = "a,b,c,class\n" + rows.joined(separator: "\n") + "\n"
    let dataset = try load(csv: text, [("test", 10), ("validation", 8)])
    #expect(dataset.facts.classes == 2 && dataset.facts.channels == 3)
    #expect(dataset.train.count == 40 && dataset.test.count == 10)
    #expect(dataset.trainIndices.count == 32 && dataset.validationIndices.count == 8)
    #expect(Set(dataset.trainIndices).isDisjoint(with: dataset.validationIndices))
    guard case .floats(let values) = dataset.train.storage else {
      Issue.record("rows are floats")
      return
    }
    // Over the rows that are trained on, not those that are held out for validation.
    let first = dataset.trainIndices.map { values[3 * Int($0)] }
    #expect(abs(first.reduce(0, +)) < 1e-4)
    #expect(abs(first.reduce(0) { $0 + $1 * $1 } / 32 - 1) < 1e-4)
    #expect(stride(from: 1, to: values.count, by: 3).allSatisfy { values[$0] == 0 })
    #expect(try load(csv: text, [("test", 10)]).test.labels == dataset.test.labels)
  }

  @Test(arguments: [
    ("a,class\n1,x\none,y\n", "line 3, column \"a\": \"one\" is no finite number"),
    ("a,class\n1,x\n2\n", "line 3 has 1 fields, the header 2"),
    ("a,class\n1,x\n2,x\n", "1 different values"),
    ("a\n1\n", "fewer than two columns"),
  ])
  func badRowsAreToldWithTheirPlace(text: String, part: String) {
    do {
      _ = try load(csv: text)
      Issue.record("must be refused: \(text)")
    } catch { #expect("\(error)".contains(part), "\(error)") }
  }

  @Test func anUnknownColumnIsToldWithThoseThatExist() {
    do {
      _ = try load(csv: "a,b\n1,2\n3,4\n", [("label", "c")])
      Issue.record("must be refused")
    } catch { #expect("\(error)".contains("it has a, b")) }
  }

  @Test func aLinkOutOfTheDataFolderIsRefused() throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/link.csv", withDestinationPath: "/etc/passwd")
    #expect(throws: DatasetError.self) {
      try Dataset.load(try spec(["name": "csv", "path": "link.csv"]), from: folders)
    }
  }

  @Test func anotherFileThanPlannedIsRefused() throws {
    let dataset = try load(csv: "a,class\n1,x\n2,y\n3,x\n4,y\n")
    let planned = dataset.facts.digest
    try "a,class\n1,x\n2,y\n4,x\n5,y\n".write(
      toFile: folder.path + "/data.csv", atomically: true, encoding: .utf8)
    #expect(throws: DatasetError.self) {
      try Dataset.load(
        try spec(["name": "csv", "path": "data.csv"]), digest: planned, from: folders)
    }
  }

  @Test func cifarRecordsBecomePixelsWithTheirChannelsTogether() throws {
    let batches = folder.path + "/cifar-10-batches-bin"
    try FileManager.default.createDirectory(atPath: batches, withIntermediateDirectories: true)
    func record(_ label: UInt8) -> [UInt8] {
      [label] + [UInt8](repeating: 10 + label, count: 1024)
        + [UInt8](repeating: 20 + label, count: 1024) + [UInt8](repeating: 30 + label, count: 1024)
    }
    for name in (1...5).map({ "data_batch_\($0).bin" }) + ["test_batch.bin"] {
      try Data(record(1) + record(9)).write(to: URL(filePath: "\(batches)/\(name)"))
    }
    let dataset = try Dataset.load(try spec("cifar-10"), from: folders)
    #expect(dataset.train.count == 10 && dataset.test.labels == [1, 9])
    guard case .bytes(let bytes) = dataset.test.storage else {
      Issue.record("pictures are bytes")
      return
    }
    #expect(Array(bytes[..<6]) == [11, 21, 31, 11, 21, 31])
    try Data([UInt8](repeating: 0, count: 100)).write(
      to: URL(filePath: "\(batches)/test_batch.bin"))
    #expect(throws: DatasetError.self) { try Dataset.load(try spec("cifar-10"), from: folders) }
  }

  @Test func eachEpochIsAPermutationOfItsOwnAndTheStreamRunsOn() {
    var stream = SampleStream(seed: 5, count: 10)
    let draws = stream.draws(0..<25)
    #expect(draws[..<10].map(\.index).sorted() == Array(0..<10))
    #expect(draws[10..<20].map(\.index).sorted() == Array(0..<10))
    #expect(draws[..<10].map(\.index) != draws[10..<20].map(\.index))
    #expect(
      draws.map(\.epoch) == Array(repeating: 0, count: 10) + Array(repeating: 1, count: 10) + [
        2, 2, 2, 2, 2,
      ])
    var other = SampleStream(seed: 5, count: 10)
    #expect(other.draws(7..<13).map(\.index) == draws[7..<13].map(\.index))
  }

  /// Pictures that are made up are moved and mirrored as those of files are.
  @Test func syntheticPicturesAreAugmented() throws {
    let node: JSON = [
      "name": "synthetic", "train": 8, "test": 2, "height": 4, "width": 4,
      "augment": ["crop_padding": 2, "flip": true],
    ]
    let dataset = try Dataset.load(try spec(node), from: folders)
    guard case .floats(let stored) = dataset.train.storage else {
      Issue.record("what is made up is floats")
      return
    }
    func pixels(_ epoch: Int) -> [Float] {
      let out = Floats(count: 8 * 16)
      _ = dataset.writeTraining(
        out.base, (0..<8).map { (epoch, $0) }, seed: 3, team: Team(size: 1))
      return out.values
    }
    let (first, second) = (pixels(0), pixels(1))
    #expect(first != second && first != stored && pixels(0) == first)
    // A picture's pixels are moved, and none is made up.
    for picture in 0..<8 {
      let own = Set(stored[(16 * picture)..<(16 * picture + 16)])
      #expect(own.isSuperset(of: first[(16 * picture)..<(16 * picture + 16)]))
    }
  }

  @Test func augmentationIsAFunctionOfSeedEpochAndSample() throws {
    let node: JSON = [
      "name": "cifar-10", "augment": ["crop_padding": 4, "flip": true],
    ]
    let batches = folder.path + "/cifar-10-batches-bin"
    try FileManager.default.createDirectory(atPath: batches, withIntermediateDirectories: true)
    let record = [UInt8(3)] + (0..<3072).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    for name in (1...5).map({ "data_batch_\($0).bin" }) + ["test_batch.bin"] {
      try Data(record + record).write(to: URL(filePath: "\(batches)/\(name)"))
    }
    let dataset = try Dataset.load(try spec(node), from: folders)
    func pixels(_ draws: [(epoch: Int, index: Int)], seed: Int) -> [Float] {
      let out = Floats(count: draws.count * 3072)
      _ = dataset.writeTraining(out.base, draws, seed: seed, team: Team(size: 1))
      return out.values
    }
    let one = pixels([(0, 4), (1, 4)], seed: 1)
    #expect(Array(one[..<3072]) != Array(one[3072...]))
    #expect(pixels([(1, 4)], seed: 1) == Array(one[3072...]))
    #expect(pixels([(0, 4)], seed: 2) != Array(one[..<3072]))
  }
}
