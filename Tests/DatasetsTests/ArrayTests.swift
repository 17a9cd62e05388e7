import Datasets
import Experiments
import Foundation
import TestSupport
import Testing
import Values

/// Arrays that NumPy has written, and IDX files of any set.
@Suite struct ArrayTests {
  private let fixtures = DataFolders(roots: [
    repository.appending(path: "Tests/Fixtures/arrays").path
  ])

  private func load(_ members: [(String, JSON)], from folders: DataFolders? = nil) throws -> Dataset
  {
    let node = JSON.object(
      [.init("name", "arrays")] + members.map { .init($0.0, $0.1) })
    return try Dataset.load(DatasetSpec(checking: node), from: folders ?? fixtures)
  }

  private func refusal(_ members: [(String, JSON)]) -> String {
    do { _ = try load(members) } catch { return "\(error)" }
    return "accepted"
  }

  private func pixels(_ samples: Samples) -> [UInt8] {
    guard case .bytes(let bytes) = samples.storage else { return [] }
    return bytes
  }

  private func numbers(_ samples: Samples) -> [Float] {
    guard case .floats(let floats) = samples.storage else { return [] }
    return floats
  }

  /// As Tests/Fixtures/arrays/generate.py says.
  private func pixel(_ n: Int, _ y: Int, _ x: Int, _ c: Int) -> UInt8 {
    UInt8((7 * n + 3 * y + 5 * x + 11 * c) % 251)
  }

  @Test(arguments: ["small.npz", "small"])
  func picturesAndLabelsAreThoseThatNumPySaved(path: String) throws {
    let dataset = try load([("path", .string(path))])
    #expect(dataset.train.count == 24 && dataset.test.count == 8)
    #expect((dataset.facts.height, dataset.facts.width, dataset.facts.channels) == (5, 4, 3))
    #expect(dataset.facts.classes == 4)
    #expect(dataset.train.labels == (0..<24).map { Int32($0 % 4) })
    var expected: [UInt8] = []
    for n in 0..<24 {
      for y in 0..<5 { for x in 0..<4 { for c in 0..<3 { expected.append(pixel(n, y, x, c)) } } }
    }
    #expect(pixels(dataset.train) == expected)
    #expect(pixels(dataset.test).first == pixel(24, 0, 0, 0))
    #expect(try load([("path", .string(path)), ("train", 10), ("test", 3)]).train.count == 10)
  }

  private func odd(_ x: String, _ y: String = "labels", _ more: [(String, JSON)] = []) -> [(
    String, JSON
  )] {
    [("path", "odd.npz"), ("x_train", .string(x)), ("y_train", .string(y))] + more
  }

  @Test func allFormsOfTheSamePicturesAreTheSame() throws {
    let plain = try load(odd("floats"))
    #expect(plain.train.count == 20 && plain.test.count == 4)
    #expect(numbers(try load(odd("doubles")).train) == numbers(plain.train))
    let first = try load(odd("first", "labels", [("layout", "nchw")]))
    #expect(first.facts.channels == 3 && first.facts.height == 5)
    // Each channel of the pictures that are trained on has mean 0 and deviation 1.
    let values = numbers(plain.train).map(Double.init)
    for channel in 0..<3 {
      let own = stride(from: channel, to: values.count, by: 3).map { values[$0] }
      #expect(abs(own.reduce(0, +)) < 1e-3)
      #expect(abs(own.reduce(0) { $0 + $1 * $1 } / Double(own.count) - 1) < 1e-4)
    }
    let vectors = try load(odd("vectors", "unsigned"))
    #expect(vectors.facts.channels == 60 && vectors.facts.height == 1)
    #expect(vectors.train.labels == plain.train.labels)
    // The same rows are held out, and the first channel of a picture is its bytes.
    let bytes = pixels(first.train)
    let order = (0..<24).filter { n in
      (0..<20).contains { bytes[60 * $0] == pixel(n, 0, 0, 0) }
    }
    #expect(order.count == 20)
  }

  @Test func arraysThatDoNotFitAreRefusedByName() {
    for (members, part) in [
      (odd("first"), "\"layout\": \"nchw\""), (odd("objects"), "Python objects"),
      (odd("columns"), "column by column"), (odd("halves"), "type f2"),
      (odd("text"), "type U3"), (odd("records"), "several fields"),
      (odd("labels"), "has the shape [24]"), (odd("floats", "floats"), "no whole numbers"),
      (odd("floats", "onehot"), "argmax"), (odd("holes"), "no finite number"),
      (odd("float"), "has no array float; it has columns, doubles"),
      ([("path", "small.npz"), ("x_test", "none")], "has no array none"),
      ([("path", "generate.py")], "is no zip file"),
      ([("path", "nothing.npz")], "is not here"),
    ] as [([(String, JSON)], String)] {
      let words = refusal(members)
      #expect(words.contains(part), "\(words)")
    }
  }

  @Test func whatIsCutOrChangedIsRefused() throws {
    let folder = try TemporaryFolder()
    let whole = [UInt8](
      try Data(contentsOf: repository.appending(path: "Tests/Fixtures/arrays/small.npz")))
    let folders = DataFolders(roots: [folder.path])
    let planned = try load([("path", "small.npz")]).facts.digest
    for count in stride(from: 0, to: whole.count, by: 37) {
      try Data(whole[..<count]).write(to: URL(filePath: folder.path + "/small.npz"))
      #expect(throws: DatasetError.self) { try load([("path", "small.npz")], from: folders) }
    }
    var accepted = 0
    for place in stride(from: 0, to: whole.count, by: 11) {
      var bytes = whole
      bytes[place] ^= 0x10
      try Data(bytes).write(to: URL(filePath: folder.path + "/small.npz"))
      // What is still read is the same: dates and the like.
      guard let dataset = try? load([("path", "small.npz")], from: folders) else { continue }
      #expect(dataset.facts.digest == planned)
      accepted += 1
    }
    #expect(accepted < whole.count / 22)
    let array = [UInt8](
      try Data(contentsOf: repository.appending(path: "Tests/Fixtures/arrays/small/x_train.npy")))
    for count in stride(from: 0, to: array.count, by: 7) {
      #expect(throws: DatasetError.self) { try NumPyArray(Array(array[..<count]), "array") }
    }
  }

  /// A dimension of no elements lets the others be anything.
  @Test func dimensionsOfEmptyArraysEndNothing() throws {
    let folder = try TemporaryFolder()
    func array(_ shape: String, _ type: String = "|u1") -> [UInt8] {
      let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(shape)), }"
      return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0]
        + Array(header.utf8)
    }
    for shape in [
      "0, 4611686018427387904, 4611686018427387904", "4611686018427387904, 0", "0, 0",
      "9223372036854775807, 9223372036854775807, 0", "0,", "",
    ] {
      try write(array(shape), folder.path + "/data/x_train.npy")
      try write(array("0,"), folder.path + "/data/y_train.npy")
      #expect(throws: DatasetError.self, "\(shape)") {
        try load([("path", "data")], from: DataFolders(roots: [folder.path]))
      }
    }
    let sizes: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]
    for split in ["train", "t10k"] {
      try write(sizes, "\(folder.path)/idx/\(split)-images-idx3-ubyte")
      try write(
        [0, 0, 8, 1, 0, 0, 0, 0], "\(folder.path)/idx/\(split)-labels-idx1-ubyte")
    }
    let spec = try DatasetSpec(checking: ["name": "idx", "path": "idx"])
    #expect(throws: DatasetError.self) {
      try Dataset.load(spec, from: DataFolders(roots: [folder.path]))
    }
  }

  @Test func misspeltNamesAndInfinitiesAreRefused() throws {
    let folder = try TemporaryFolder()
    let folders = DataFolders(roots: [folder.path])
    let small = repository.appending(path: "Tests/Fixtures/arrays/small").path
    try FileManager.default.copyItem(atPath: small, toPath: folder.path + "/small")
    let error = #expect(throws: DatasetError.self) {
      try load([("path", "small"), ("x_test", "x_val"), ("y_test", "y_val")], from: folders)
    }
    #expect("\(error.map { "\($0)" } ?? "")".contains("lacks x_val.npy"))
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }"
    let values: [Float] = [1, 2, .infinity, 4, 5, 6, -.infinity, 8]
    try write(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
        + values.withUnsafeBytes { Array($0) }, folder.path + "/odd/x_train.npy")
    let labels = "{'descr': '|u1', 'fortran_order': False, 'shape': (4L,), }"
    try write(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(labels.utf8.count), 0] + Array(labels.utf8)
        + [0, 1, 0, 1], folder.path + "/odd/y_train.npy")
    let infinite = #expect(throws: DatasetError.self) {
      try load([("path", "odd"), ("test", 1)], from: folders)
    }
    #expect("\(infinite.map { "\($0)" } ?? "")".contains("no finite number"))
  }

  // MARK: - IDX

  private func write(_ bytes: [UInt8], _ place: String) throws {
    let file = URL(filePath: place)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
  }

  private func images(_ count: Int, _ height: Int, _ width: Int) -> [UInt8] {
    [0, 0, 8, 3, 0, 0, 0, UInt8(count), 0, 0, 0, UInt8(height), 0, 0, 0, UInt8(width)]
      + (0..<(count * height * width)).map { UInt8($0 * 37 % 256) }
  }

  private func labels(_ count: Int, first: Int = 1) -> [UInt8] {
    [0, 0, 8, 1, 0, 0, 0, UInt8(count)] + (0..<count).map { UInt8(first + $0 % 3) }
  }

  @Test func anySetOfIDXFilesIsReadByItsPath() throws {
    let folder = try TemporaryFolder()
    let second = try TemporaryFolder()
    let folders = DataFolders(roots: [folder.path, second.path])
    let set = second.path + "/emnist/"
    try write(images(12, 6, 5), set + "emnist-letters-train-images-idx3-ubyte")
    try write(labels(12), set + "emnist-letters-train-labels-idx1-ubyte")
    try write(images(6, 6, 5), set + "emnist-letters-test-images-idx3-ubyte")
    try write(labels(6), set + "emnist-letters-test-labels-idx1-ubyte")
    let node: JSON = ["name": "idx", "path": "emnist", "prefix": "emnist-letters-"]
    let dataset = try Dataset.load(DatasetSpec(checking: node), from: folders)
    #expect((dataset.facts.train, dataset.facts.test, dataset.facts.classes) == (12, 6, 3))
    #expect((dataset.facts.height, dataset.facts.width, dataset.facts.channels) == (6, 5, 1))
    #expect(dataset.train.labels == (0..<12).map { Int32($0 % 3) })
    #expect(pixels(dataset.train)[..<3] == [0, 37, 74])
    let bare = try DatasetSpec(checking: ["name": "idx", "path": "emnist"])
    let error = #expect(throws: DatasetError.self) { try Dataset.load(bare, from: folders) }
    #expect("\(error.map { "\($0)" } ?? "")".contains("lacks train-images-idx3-ubyte.gz"))
    // A class that is in the test files only.
    try write(labels(6, first: 2), set + "emnist-letters-test-labels-idx1-ubyte")
    let unlearned = #expect(throws: DatasetError.self) {
      try Dataset.load(DatasetSpec(checking: node), from: folders)
    }
    #expect("\(unlearned.map { "\($0)" } ?? "")".contains("class 4 occurs in the test split only"))
  }

  @Test func picklesOfCIFARAreRefusedWithWhatToDo() throws {
    let folder = try TemporaryFolder()
    for (name, pickles) in [
      ("cifar-10", "cifar-10-batches-py"), ("cifar-100", "cifar-100-python"),
    ] {
      let spec = try DatasetSpec(checking: .string(name))
      let folders = DataFolders(roots: [folder.path])
      let absent = #expect(throws: DatasetError.self) { try Dataset.load(spec, from: folders) }
      #expect("\(absent.map { "\($0)" } ?? "")".contains("is not here"))
      try write([1], "\(folder.path)/\(pickles)/data_batch_1")
      let error = #expect(throws: DatasetError.self) { try Dataset.load(spec, from: folders) }
      #expect("\(error.map { "\($0)" } ?? "")".contains("\(name)-binary.tar.gz"))
    }
  }
}
