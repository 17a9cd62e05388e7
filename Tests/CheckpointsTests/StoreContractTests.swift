import Checkpoints
import Foundation
import TestSupport
import Testing

/// What every store of checkpoints promises.
@Suite struct StoreContractTests {
  enum Kind: CaseIterable, Sendable { case folder, memory }

  /// A store, and what a test does behind its back.
  private struct Subject {
    let store: any CheckpointStore
    let takeAway: (Bool) throws -> Void
    let damage: (String, (inout [UInt8]) -> Void) throws -> Void
  }

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func subject(_ kind: Kind) throws -> Subject {
    switch kind {
    case .memory:
      let store = MemoryStore()
      return Subject(
        store: store, takeAway: { store.takeAway($0) }, damage: { store.damage($0, $1) })
    case .folder:
      let (path, elsewhere) = (folder.path + "/store", folder.path + "/elsewhere")
      let store = try FolderStore(path: path, of: .init(queue: "queue"), for: .training)
      return Subject(
        store: store,
        takeAway: { isAway in
          try FileManager.default.moveItem(
            atPath: isAway ? path : elsewhere, toPath: isAway ? elsewhere : path)
        },
        damage: { file, change in
          let place = URL(filePath: "\(path)/\(file)")
          var bytes = [UInt8](try Data(contentsOf: place))
          change(&bytes)
          try Data(bytes).write(to: place)
        })
    }
  }

  private func sample(_ samples: Int = 42) -> Checkpoint {
    Checkpoint(
      metadata: ["samples": "\(samples)"],
      arrays: [.init("sums", doubles: (0..<500).map { Double($0) / 7 })])
  }

  private static let limit = 1 << 30

  @Test(arguments: Kind.allCases) func whatIsWrittenIsReadListedAndRemoved(kind: Kind) throws {
    let store = try subject(kind).store
    try store.check()
    let written = try store.write(sample(), as: "b")
    _ = try store.write(sample(), as: "a")
    #expect(
      try store.read("b", digest: written.digest, limit: StoreContractTests.limit) == sample())
    #expect(try store.size(of: "b") == written.bytes)
    #expect(try store.entries().map(\.file) == ["a", "b"])
    #expect(try store.entries().last?.bytes == written.bytes)
    #expect(store.remove("b"))
    #expect(!store.remove("b"))
    #expect(try store.entries().map(\.file) == ["a"])
    #expect(try store.size(of: "b") == nil)
    #expect(throws: CheckpointError.missing(file: "b")) { try store.get("b") }
  }

  @Test(arguments: Kind.allCases) func aWriteThatFailsLeavesWhatWasThere(kind: Kind) throws {
    let store = try subject(kind).store
    let written = try store.write(sample(), as: "a")
    let full = CheckpointError.cannotWrite(file: "a", reason: "no space is left")
    for file in ["a", "new"] {
      #expect(throws: full) {
        try store.put(file) { sink throws(CheckpointError) in
          try Array("half a file".utf8).forEachPiece(sink)
          throw full
        }
      }
    }
    #expect(
      try store.read("a", digest: written.digest, limit: StoreContractTests.limit) == sample())
    #expect(try store.entries().map(\.file) == ["a"])
    // The same name again is a file in the place of the first.
    let again = try store.write(sample(43), as: "a")
    #expect(again.digest != written.digest)
    #expect(
      try store.read("a", digest: again.digest, limit: StoreContractTests.limit) == sample(43))
  }

  @Test(arguments: Kind.allCases) func aStoreThatIsAwayHasNoMissingFiles(kind: Kind) throws {
    let subject = try subject(kind)
    let store = subject.store
    let written = try store.write(sample(), as: "a")
    try subject.takeAway(true)
    func isAway(_ body: () throws -> Void) -> Bool {
      do { try body() } catch CheckpointError.away { return true } catch {}
      return false
    }
    #expect(isAway { try store.check() })
    #expect(isAway { _ = try store.get("a") })
    #expect(isAway { _ = try store.size(of: "a") })
    #expect(isAway { _ = try store.entries() })
    #expect(isAway { _ = try store.write(sample(), as: "b") })
    #expect(!store.remove("a"))
    try subject.takeAway(false)
    #expect(
      try store.read("a", digest: written.digest, limit: StoreContractTests.limit) == sample())
    #expect(throws: CheckpointError.missing(file: "b")) { try store.get("b") }
  }

  @Test(arguments: Kind.allCases) func damageIsNoticedWithAndWithoutTheDigest(kind: Kind) throws {
    let subject = try subject(kind)
    let store = subject.store
    let written = try store.write(sample(), as: "a")
    func isDamaged(_ digest: String?) -> Bool {
      do throws(CheckpointError) {
        _ = try store.read("a", digest: digest, limit: StoreContractTests.limit)
      } catch { if case .damaged = error { return true } }
      return false
    }
    try subject.damage("a") { $0[written.bytes / 2] ^= 0x10 }
    #expect(isDamaged(written.digest) && isDamaged(nil))
    try subject.damage("a") { $0.removeLast(5) }
    #expect(isDamaged(written.digest) && isDamaged(nil))
    // A file beyond the memory of its stage is not read.
    let large = try store.write(sample(), as: "large")
    #expect(throws: CheckpointError.self) {
      try store.read("large", digest: large.digest, limit: 16)
    }
  }

  @Test(arguments: Kind.allCases) func namesCannotLeaveTheStore(kind: Kind) throws {
    let store = try subject(kind).store
    for name in ["../a", "/etc/passwd", "a/b", ""] {
      #expect(throws: CheckpointError.missing(file: name)) { try store.get(name) }
      #expect(try store.size(of: name) == nil)
      #expect(!store.remove(name))
    }
  }
}

extension [UInt8] {
  fileprivate func forEachPiece(_ sink: CheckpointSink) throws(CheckpointError) {
    let result = withUnsafeBytes { bytes in
      Result { () throws(CheckpointError) in try sink(bytes) }
    }
    try result.get()
  }
}
