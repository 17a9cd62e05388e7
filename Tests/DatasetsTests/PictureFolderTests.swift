import Datasets
import Experiments
import Foundation
import Synchronization
import Tensors
import TestSupport
import Testing
import Values

/// Folders of pictures: what is found in them, and the batches that training gets.
@Suite struct PictureFolderTests {
  private let folder: TemporaryFolder
  private let fixtures = repository.appending(path: "Tests/Fixtures/pictures").path

  private static let names = [
    "colour.jpg", "progressive.jpg", "grey.jpg", "colour.png", "cmyk.jpg",
  ]

  init() throws {
    folder = try TemporaryFolder()
    for split in ["train", "val"] {
      for (place, label) in ["bird", "apple"].enumerated() {
        let path = "\(folder.path)/pictures/\(split)/\(label)"
        try FileManager.default.createDirectory(
          atPath: path, withIntermediateDirectories: true)
        for name in PictureFolderTests.names.dropLast(place) {
          try FileManager.default.copyItem(
            atPath: "\(fixtures)/\(name)", toPath: "\(path)/\(name)")
        }
      }
    }
  }

  private var folders: DataFolders {
    DataFolders(roots: [folder.path], indices: folder.path + "/indices")
  }

  private func load(_ changes: [(String, JSON)] = []) throws -> Dataset {
    var node: JSON = ["name": "image-folder", "path": "pictures", "size": 16]
    for (key, value) in changes { node = node.setting([key], to: value) }
    return try Dataset.load(DatasetSpec(checking: node), from: folders)
  }

  @Test func classesAreTheFoldersInTheirOrder() throws {
    let dataset = try load()
    #expect(dataset.facts.train == 9 && dataset.facts.test == 9 && dataset.facts.classes == 2)
    #expect(dataset.facts.height == 16 && dataset.facts.channels == 3)
    #expect(dataset.train.labels == [0, 0, 0, 0, 1, 1, 1, 1, 1])
  }

  /// Batches at these clocks, and what testing sees, by so many threads.
  private func batches(
    of dataset: Dataset, at clocks: [Int], threads: Int
  ) throws -> [Int: [Float]] {
    let reader = BatchReader(dataset, seed: 5, ghost: 4, threads: threads)
    let team = Team(size: threads)
    defer { team.close() }
    let out = Floats(count: 4 * dataset.sampleSize)
    func numbers() -> [Float] {
      Array(UnsafeBufferPointer(start: out.base, count: 4 * dataset.sampleSize))
    }
    var found: [Int: [Float]] = [:]
    for clock in clocks {
      let labels = try reader.training(out.base, from: clock, team: team)
      found[clock] = numbers() + labels.map(Float.init)
    }
    let testing = reader.inOrder(dataset.test, (0..<9).map(Int32.init), by: 4)
    for start in [0, 4] {
      let labels = try testing.write(out.base, from: start, team: team)
      found[-1 - start] = numbers() + labels.map(Float.init)
    }
    return found
  }

  /// A batch is a function of its place in training, whatever was read before it and by how many threads.
  @Test func batchesDependOnNothingButTheirPlace() throws {
    let augment: JSON = ["flip": true, "jitter": .number("0.4")]
    let dataset = try load([("augment", augment)])
    let inOrder = try batches(of: dataset, at: Array(stride(from: 0, to: 40, by: 4)), threads: 1)
    let mixed = try batches(of: dataset, at: [12, 16, 0, 4, 36, 8, 12, 20], threads: 3)
    for (clock, numbers) in mixed { #expect(inOrder[clock] == numbers, "\(clock)") }
    // Epochs differ, and so does what is augmented from what is not.
    #expect(inOrder[0] != inOrder[36])
    let plain = try batches(of: try load(), at: [0], threads: 1)
    #expect(plain[0] != inOrder[0] && plain[-1] == inOrder[-1])
  }

  @Test func anIndexIsMadeOnceAndGoesOnWhereItWasInterrupted() throws {
    let first = try load().facts.digest
    let indices = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/indices")
    #expect(indices.count == 1)
    let file = folder.path + "/indices/" + indices[0]
    let whole = try String(contentsOfFile: file, encoding: .utf8)
    #expect(whole.split(separator: "\n").count == 19)
    // Cut in the middle of a line.
    try String(whole.prefix(whole.count / 2)).write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try load().facts.digest == first)
    #expect(try String(contentsOfFile: file, encoding: .utf8) == whole)
    // What an index says of files that have not changed is believed: they are not read again.
    let other = whole.replacing(
      whole.split(separator: "\n")[1].prefix(64), with: String(repeating: "0", count: 64))
    try other.write(toFile: file, atomically: true, encoding: .utf8)
    let believed = try load()
    #expect(believed.facts.digest != first)
    // Until they are decoded.
    #expect {
      _ = try batches(of: believed, at: [0, 4, 8], threads: 2)
    } throws: {
      "\($0)".contains("is not the file that was indexed")
    }
  }

  /// `bird.x` is before `bird` in the order of paths, because a full stop is before a slash.
  @Test func anIndexOfClassesThatBeginAlikeIsMadeOnce() throws {
    for split in ["train", "val"] {
      let place = "\(folder.path)/pictures/\(split)/"
      try FileManager.default.copyItem(atPath: place + "bird", toPath: place + "bird.x")
      try FileManager.default.copyItem(atPath: place + "bird", toPath: place + "bird-x")
    }
    let read = Mutex(0)
    var folders = folders
    folders.progress = { done, _, _ in read.withLock { $0 += done } }
    let spec = try DatasetSpec(
      checking: ["name": "image-folder", "path": "pictures", "size": 16])
    let first = try Dataset.load(spec, from: folders)
    #expect(read.withLock { $0 } == 38)
    #expect(first.inputs.classes == ["apple", "bird", "bird-x", "bird.x"])
    #expect(try Dataset.load(spec, from: folders).facts == first.facts)
    #expect(read.withLock { $0 } == 38)
  }

  @Test func aDamagedIndexIsMadeAnew() throws {
    let first = try load().facts.digest
    let indices = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/indices")
    let file = folder.path + "/indices/" + indices[0]
    let whole = try String(contentsOfFile: file, encoding: .utf8)
    let head = String(whole.prefix { $0 != "\n" }) + "\n"
    let empty = String(repeating: "0", count: 64) + "\t1\t1\t1\t1\t\t\n"
    for text in [head + empty + empty, head + "\t\t\t\t\t\t\n", "", head, "x" + whole] {
      try text.write(toFile: file, atomically: true, encoding: .utf8)
      #expect(try load().facts.digest == first)
      #expect(try String(contentsOfFile: file, encoding: .utf8) == whole)
    }
  }

  @Test func aChangedFileIsNoticed() throws {
    let dataset = try load()
    let path = folder.path + "/pictures/train/apple/colour.jpg"
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: fixtures + "/half-colour.jpg", toPath: path)
    #expect {
      _ = try batches(of: dataset, at: [0, 4, 8], threads: 2)
    } throws: {
      "\($0)".contains("colour.jpg") && "\($0)".contains("is not the file that was indexed")
    }
    let again = try load()
    #expect(again.facts.digest != dataset.facts.digest)
    #expect(throws: DatasetError.self) {
      try again.insist(
        on: dataset.facts.digest ?? "", of: DatasetSpec(checking: ["name": "fashion-mnist"]))
    }
  }

  /// A worker reads no data outside of its data folders.
  @Test func aLinkThatLeadsOutIsRefused() throws {
    let outside = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: fixtures + "/grey.png", toPath: outside.path + "/secret.png")
    let link = folder.path + "/pictures/train/apple/link.png"
    try FileManager.default.createSymbolicLink(
      atPath: link, withDestinationPath: outside.path + "/secret.png")
    #expect { _ = try load() } throws: { "\($0)".contains("leads out of the data folders") }
    try FileManager.default.removeItem(atPath: link)
    // One that stays inside is followed.
    try FileManager.default.createSymbolicLink(
      atPath: link, withDestinationPath: folder.path + "/pictures/train/bird/grey.jpg")
    #expect(try load().facts.train == 10)
  }

  @Test func damagedFilesAreRefusedByNameOrLeftOut() throws {
    let path = folder.path + "/pictures/train/apple/cut.jpg"
    let whole = try Data(contentsOf: URL(filePath: fixtures + "/colour.jpg"))
    try whole.prefix(3000).write(to: URL(filePath: path))
    #expect {
      _ = try load()
    } throws: {
      "\($0)".contains("train/apple/cut.jpg") && "\($0)".contains("\"skip\"")
    }
    #expect(try load([("damaged", "skip")]).facts.train == 9)
  }

  @Test func aFolderOfAnotherFormSaysWhatItLacks() throws {
    let pictures = folder.path + "/pictures"
    try FileManager.default.createDirectory(
      atPath: pictures + "/val/cherry", withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: fixtures + "/grey.png", toPath: pictures + "/val/cherry/grey.png")
    #expect { _ = try load() } throws: { "\($0)".contains("\"cherry\" has no folder in train/") }
    try FileManager.default.moveItem(atPath: pictures + "/val", toPath: folder.path + "/val")
    // Without a test split a share of the training files is one.
    let shared = try load()
    #expect(shared.facts.train == 7 && shared.facts.test == 2)
    try FileManager.default.moveItem(atPath: pictures + "/train", toPath: pictures + "/other")
    #expect { _ = try load() } throws: { "\($0)".contains("has no folder train/") }
    for (name, member) in [("image-folder", "crop_padding"), ("fashion-mnist", "resized_crop")] {
      let node: JSON = [
        "name": .string(name),
        "augment": .object([.init(member, member == "crop_padding" ? 4 : true)]),
      ]
      #expect { _ = try DatasetSpec(checking: node) } throws: {
        "\($0)".contains("dataset.augment.\(member)") && "\($0)".contains("not belong to \(name)")
      }
    }
    #expect {
      _ = try DatasetSpec(checking: ["name": "image-folder", "path": "../up"])
    } throws: {
      "\($0)".contains("dataset.path") && "\($0)".contains("dataset.size")
    }
  }
}
