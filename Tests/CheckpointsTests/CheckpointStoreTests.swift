import Checkpoints
import Foundation
import Subprocess
import SystemPackage
import TestSupport
import Testing

private let owner = FolderStore.Owner(queue: "queue-1")

@Suite struct CheckpointStoreTests {
  private let folder: TemporaryFolder
  private let store: FolderStore

  init() throws {
    folder = try TemporaryFolder()
    store = try FolderStore(path: folder.path + "/store", of: owner, for: .training)
  }

  private func sample() -> Checkpoint {
    let numbers: [Float] = (0..<600).map { Float($0) / 7 }
    return numbers.withUnsafeBufferPointer {
      Checkpoint(
        metadata: ["samples": "42", "odd": "quote \" and \\ and ü"],
        arrays: [
          .init("conv.weight", shape: [2, 300], floats: $0),
          .init("sums", doubles: [1.5, -0.0, .pi]),
        ])
    }
  }

  @Test func whatIsWrittenIsRead() throws {
    let written = try store.write(sample(), as: "a.safetensors.zst")
    let read = try store.read("a.safetensors.zst", digest: written.digest, limit: 1 << 30)
    #expect(read.metadata == sample().metadata)
    #expect(read["conv.weight"] == sample()["conv.weight"])
    #expect(read["sums"] == sample()["sums"])
    let files = try FileManager.default.contentsOfDirectory(atPath: store.path).sorted()
    #expect(files == ["a.safetensors.zst", "store.json"])
  }

  @Test func aStoreKeepsItsIdentityAndIsPrivate() throws {
    #expect(try FolderStore(path: store.path, of: owner, for: .reading).id == store.id)
    let mode =
      try FileManager.default.attributesOfItem(atPath: store.path)[.posixPermissions] as? Int
    #expect(mode == 0o700)
    #expect(throws: CheckpointError.self) {
      try FolderStore(path: folder.path + "/absent", of: owner, for: .reading)
    }
  }

  @Test func aStoreServesOneQueue() throws {
    _ = try store.write(sample(), as: "a.safetensors.zst")
    let other = FolderStore.Owner(queue: "queue-2", stores: [store.id])
    for use in [FolderStore.Use.reading, .changing, .training] {
      #expect(
        throws: CheckpointError.ofAnotherQueue(
          store: store.path, its: "queue-1", asked: "queue-2")
      ) { try FolderStore(path: store.path, of: other, for: use) }
    }
  }

  /// Earlier versions named no queue in store.json.
  @Test func aStoreOfAnEarlierVersionIsAdoptedOnceByTheQueueThatKnowsIt() throws {
    let marker = store.path + "/store.json"
    func forgetQueue() throws {
      try #"{"format": 1, "id": "\#(store.id)"}"#.write(
        toFile: marker, atomically: true, encoding: .utf8)
    }
    let stranger = FolderStore.Owner(queue: "queue-2")
    let knows = FolderStore.Owner(queue: "queue-3", stores: [store.id])
    // Empty, it is anybody's.
    try forgetQueue()
    #expect(try FolderStore(path: store.path, of: stranger, for: .training).id == store.id)
    _ = try store.write(sample(), as: "a.safetensors.zst")
    try forgetQueue()
    #expect(
      throws: CheckpointError.ofAnotherQueue(store: store.path, its: nil, asked: "queue-2")
    ) { try FolderStore(path: store.path, of: stranger, for: .training) }
    // A look changes nothing; work marks it.
    #expect(try FolderStore(path: store.path, of: knows, for: .reading).id == store.id)
    #expect(try !String(contentsOfFile: marker, encoding: .utf8).contains("queue-3"))
    #expect(try FolderStore(path: store.path, of: knows, for: .changing).id == store.id)
    #expect(try String(contentsOfFile: marker, encoding: .utf8).contains("queue-3"))
    try store.check()
  }

  @Test func twoWhoMakeAStoreAtOnceAgreeOnItsIdentity() async throws {
    let path = folder.path + "/contested"
    let ids = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<16 {
        group.addTask { try FolderStore(path: path, of: owner, for: .training).id }
      }
      return try await group.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(ids.count == 1)
  }

  @Test func tornTruncatedAndChangedFilesAreNoticed() throws {
    let written = try store.write(sample(), as: "a")
    let whole = try Data(contentsOf: URL(filePath: store.path + "/a"))
    func damaged(_ bytes: Data, digest: String?) throws -> Bool {
      try bytes.write(to: URL(filePath: store.path + "/a"))
      do throws(CheckpointError) { _ = try store.read("a", digest: digest, limit: 1 << 30) } catch {
        if case .damaged = error { return true }
      }
      return false
    }
    for length in [0, 1, 10, whole.count / 2, whole.count - 1] {
      #expect(try damaged(whole.prefix(length), digest: written.digest))
      #expect(try damaged(whole.prefix(length), digest: nil))
    }
    for at in stride(from: 0, to: whole.count, by: 37) {
      var flipped = whole
      flipped[at] ^= 0x10
      #expect(try damaged(flipped, digest: written.digest), "byte \(at)")
      // Without the database's digest zstd's own checksum notices.
      if at > 20 { #expect(try damaged(flipped, digest: nil), "byte \(at)") }
    }
    #expect(throws: CheckpointError.missing(file: "b")) {
      try store.read("b", digest: nil, limit: 1 << 30)
    }
  }

  @Test func aStoreThatIsAwayIsNotDamaged() throws {
    let written = try store.write(sample(), as: "a")
    let elsewhere = folder.path + "/elsewhere"
    try FileManager.default.moveItem(atPath: store.path, toPath: elsewhere)
    func isAway(_ body: () throws -> Void) -> Bool {
      do { try body() } catch CheckpointError.away { return true } catch {}
      return false
    }
    #expect(isAway { try store.check() })
    #expect(isAway { _ = try store.read("a", digest: written.digest, limit: 1 << 30) })
    #expect(isAway { _ = try store.write(sample(), as: "b") })
    // Another store at the same place is not this one.
    _ = try FolderStore(path: store.path, of: owner, for: .training)
    #expect(isAway { _ = try store.read("a", digest: written.digest, limit: 1 << 30) })
    try FileManager.default.removeItem(atPath: store.path)
    try FileManager.default.moveItem(atPath: elsewhere, toPath: store.path)
    #expect(try store.read("a", digest: written.digest, limit: 1 << 30)["sums"] == sample()["sums"])
    #expect(throws: CheckpointError.missing(file: "c")) {
      try store.read("c", digest: nil, limit: 1 << 30)
    }
  }

  @Test func namesCannotLeaveTheStore() {
    for name in ["../a", "/etc/passwd", "a/b", ""] {
      #expect(throws: CheckpointError.missing(file: name)) {
        try store.read(name, digest: nil, limit: 1 << 30)
      }
      #expect(!store.remove(name))
    }
  }

  @Test(.enabled(if: PythonTools.areInstalled, "ops/test-tools installs Python's safetensors"))
  func zstdAndPythonOpenIt() async throws {
    _ = try store.write(sample(), as: "a.safetensors.zst")
    let result = try await Subprocess.run(
      .name("zstd"), arguments: ["-q", "-d", store.path + "/a.safetensors.zst"],
      output: .string(limit: 4096), error: .string(limit: 4096))
    #expect(result.terminationStatus.isSuccess, "\(result.standardError)")
    let script = """
      import sys
      from safetensors import safe_open
      with safe_open(sys.argv[1], "np") as f:
          print(sorted(f.keys()), f.metadata()["samples"], f.get_tensor("conv.weight").shape,
                float(f.get_tensor("conv.weight")[1, 299]) == float(__import__("numpy").float32(599 / 7)),
                f.get_tensor("sums").tolist()[0])
      """
    let output = try await PythonTools.run(script, [store.path + "/a.safetensors"])
    #expect(output == "['conv.weight', 'sums'] 42 (2, 300) True 1.5\n")
  }
}

/// Files that promise more than they hold, or hold more than their state.
@Suite struct HostileCheckpointTests {
  private let folder: TemporaryFolder
  private let store: FolderStore

  init() throws {
    folder = try TemporaryFolder()
    store = try FolderStore(path: folder.path + "/store", of: owner, for: .training)
  }

  private func message(_ packed: [UInt8], limit: Int = 1 << 20) throws -> String {
    try Data(packed).write(to: URL(filePath: store.path + "/a"))
    do throws(CheckpointError) { _ = try store.read("a", digest: nil, limit: limit) } catch {
      return error.description
    }
    return "accepted"
  }

  /// Nothing is decompressed beyond what the state may have.
  @Test func aBombIsRefusedBeforeItIsDecompressed() throws {
    // The frame says 20 GiB; zstd would make room for it all.
    let bomb = Compression.compressed([UInt8](repeating: 0, count: 8 << 20))
    #expect(bomb.count < 1 << 14)
    #expect(try message(bomb).contains("decompresses to 8388608 bytes"))
    let before = peakResident()
    var header: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0xE0]
    header += withUnsafeBytes(of: UInt64(20 << 30).littleEndian) { Array($0) }
    #expect(try message(header + [1, 0, 0]).contains("decompresses to 21474836480 bytes"))
    #expect(peakResident() - before < 1 << 30)
    // A file that is larger than its state is not even read.
    #expect(
      try message([UInt8](repeating: 7, count: 3 << 20)).contains("and its state has 1048576"))
  }

  private func peakResident() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(whereSeparator: \.isWhitespace)[1]).flatMap { Int($0) }.map { $0 << 10 }
      ?? 0
  }

  @Test(arguments: [
    #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#,
    #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[1e30],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[null],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"a":[]}"#, "[", "{}x",
  ])
  func aHeaderThatPromisesMoreThanTheFileHoldsIsRefused(header: String) throws {
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    let content = length + Array(header.utf8) + [UInt8](repeating: 0, count: 8)
    #expect(try message(Compression.compressed(content)).contains("is damaged"))
    #expect(
      try message(Compression.compressed([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0]))
        .contains("longer than itself"))
  }
}
