import Datasets
import Experiments
import Foundation
import TestSupport
import Testing
import Values

/// CIFAR's files: absent as a whole, or damaged in one of them.
@Suite struct CIFARTests {
  private let folder: TemporaryFolder
  private var batches: String { folder.path + "/cifar-10-batches-bin" }
  private var folders: DataFolders { DataFolders(roots: [folder.path]) }

  init() throws { folder = try TemporaryFolder() }

  private func write(_ name: String, _ bytes: [UInt8]) throws {
    try FileManager.default.createDirectory(atPath: batches, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(filePath: "\(batches)/\(name)"))
  }

  private func writeAll() throws {
    for name in (1...5).map({ "data_batch_\($0).bin" }) + ["test_batch.bin"] {
      try write(name, (0..<2).flatMap { [UInt8($0)] + [UInt8](repeating: 9, count: 3072) })
    }
  }

  private func facts(_ node: JSON = "cifar-10") throws -> DatasetFacts {
    let spec = try DatasetSpec(checking: node)
    return try spec.facts(from: folders)
  }

  @Test func onlyASetWhoseFolderIsAbsentIsPlannedByItsPublication() throws {
    #expect(try facts().digest == nil)
    #expect(try facts().train == 50_000)
    try writeAll()
    #expect(try facts().train == 10 && facts().digest != nil)
  }

  @Test func aDamagedFileIsCalledDamagedAndNamed() throws {
    func message() -> String {
      do { _ = try facts() } catch { return "\(error)" }
      return "accepted"
    }
    try writeAll()
    try FileManager.default.removeItem(atPath: batches + "/data_batch_3.bin")
    #expect(message().contains("lacks data_batch_3.bin"))
    try writeAll()
    try write("data_batch_2.bin", [UInt8](repeating: 1, count: 3072))
    #expect(message().contains("data_batch_2.bin: has 3072 bytes"))
    try writeAll()
    try write("test_batch.bin", [10] + [UInt8](repeating: 1, count: 3072))
    #expect(message().contains("record 1 has the label 10"))
  }

  @Test func moreThanThePublishedSetIsRefusedBeforeAnyFileIsRead() {
    for (member, count) in [("train", 50_001), ("test", 5_000_000)] {
      #expect(throws: InvalidDocument.self) {
        try facts(.object([.init("name", "cifar-10"), .init(member, .integer(count))]))
      }
    }
  }

  @Test func whatIsHeldOutMayNotBeAllThereIs() throws {
    try writeAll()
    let spec = try DatasetSpec(checking: ["name": "cifar-10", "validation": 10])
    #expect(throws: DatasetError.tooFew(member: "validation", asked: 10, available: 10)) {
      try Dataset.load(spec, from: folders)
    }
  }
}
