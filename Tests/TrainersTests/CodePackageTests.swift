import Experiments
import Foundation
import TestSupport
import Testing
import Trainers
import Values

/// Packed folders of code, from our own hand and from hostile ones.
@Suite struct CodePackageTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try write("train.py", "print(1)\n")
    try write("lib/deep/model.py", "x = 2\n")
    try write("run.sh", "#!/bin/sh\n")
    chmod(folder.path + "/code/run.sh", 0o755)
  }

  private func write(_ path: String, _ text: String) throws {
    let place = URL(filePath: folder.path + "/code/" + path)
    try FileManager.default.createDirectory(
      at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: place)
  }

  private func pack() throws -> [UInt8] {
    try CodePackage.pack(["train.py", "lib/deep/model.py", "run.sh"], in: folder.path + "/code")
  }

  private func unpack(_ bytes: [UInt8]) throws -> String {
    let place = folder.path + "/\(UUID().uuidString)"
    try CodePackage.unpack(bytes, into: place)
    return place
  }

  @Test func whatIsUnpackedIsWhatWasPackedAndReadOnly() throws {
    let place = try unpack(pack())
    defer { CodePackage.remove(place) }
    #expect(try String(contentsOfFile: place + "/lib/deep/model.py", encoding: .utf8) == "x = 2\n")
    for (path, mode) in [
      ("train.py", 0o444), ("run.sh", 0o555), ("lib", 0o555), ("lib/deep", 0o555), ("", 0o555),
    ] {
      var facts = stat()
      #expect(stat(place + "/" + path, &facts) == 0)
      #expect(facts.st_mode & 0o7777 == mode_t(mode), "\(path)")
    }
  }

  /// Neither times nor the order in which files are named nor other bits of the mode.
  @Test func theSameFilesGiveTheSameBytes() throws {
    let first = try pack()
    let code = folder.path + "/code"
    var times = [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)]
    utimes(code + "/train.py", &times)
    chmod(code + "/train.py", 0o600)
    #expect(
      try CodePackage.pack(["run.sh", "train.py", "lib/deep/model.py", "run.sh"], in: code) == first
    )
    chmod(code + "/train.py", 0o700)
    #expect(try pack() != first)
  }

  @Test func aLinkIsNoCode() throws {
    symlink("/etc/passwd", folder.path + "/code/link")
    #expect(throws: CodePackage.Unusable.self) {
      try CodePackage.pack(["link"], in: folder.path + "/code")
    }
    mkfifo(folder.path + "/code/pipe", 0o600)
    #expect(throws: CodePackage.Unusable.self) {
      try CodePackage.pack(["pipe"], in: folder.path + "/code")
    }
  }

  // MARK: - Hostile packages

  /// Replaces bytes wherever they stand; names and modes are under no checksum.
  private func replacing(_ old: [UInt8], _ new: [UInt8], in bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for i in 0...(bytes.count - old.count) where Array(bytes[i..<i + old.count]) == old {
      bytes.replaceSubrange(i..<i + old.count, with: new)
    }
    return bytes
  }

  @Test(arguments: ["../ab.py", "/etc/abc", "lib//a.p", "a/./b.py", "a/../b.p", "a\nb.pyyy"])
  func aPlaceOutsideOfTheFolderIsRefused(name: String) throws {
    try #require(name.utf8.count == "train.py".utf8.count)
    let bytes = replacing(Array("train.py".utf8), Array(name.utf8), in: try pack())
    let before = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(throws: CodePackage.Unusable.self) { try unpack(bytes) }
    // Nothing of it stays.
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == before)
  }

  @Test(arguments: [mode_t(0o120_000), 0o060_000, 0o020_000, 0o010_000, 0o140_000, 0o040_000])
  func linksDevicesPipesAndSocketsAreRefused(kind: mode_t) throws {
    let regular = UInt32(S_IFREG | 0o444) << 16
    let other = UInt32(kind | 0o444) << 16
    func bytes(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
    let packed = try pack()
    let changed = replacing(bytes(regular), bytes(other), in: packed)
    #expect(changed != packed)
    #expect(throws: CodePackage.Unusable.self) { try unpack(changed) }
  }

  @Test func aNameThatStandsTwiceIsRefused() throws {
    try write("trai_.py", "print(2)\n")
    let bytes = try CodePackage.pack(["train.py", "trai_.py"], in: folder.path + "/code")
    #expect(throws: CodePackage.Unusable.self) {
      try unpack(replacing(Array("trai_.py".utf8), Array("train.py".utf8), in: bytes))
    }
  }

  /// Every byte of a package changed, and every beginning of it: whatever it is, nothing lands outside.
  @Test func damageIsRefusedOrStaysInside() throws {
    let packed = try pack()
    for place in 0..<packed.count {
      var bytes = packed
      bytes[place] ^= 0xFF
      if let folder = try? unpack(bytes) { CodePackage.remove(folder) }
      if place % 7 == 0, let folder = try? unpack(Array(packed[..<place])) {
        CodePackage.remove(folder)
      }
    }
    #expect(
      Set(try FileManager.default.contentsOfDirectory(atPath: folder.path)) == ["code"])
  }

  /// A few bytes that unpack to more than code may have.
  @Test(.enabled(if: PythonTools.areInstalled, "make test installs the tools"))
  func aPackageThatSwellsIsRefused() async throws {
    let place = folder.path + "/bomb.zip"
    _ = try await PythonTools.run(
      """
      import sys, zipfile
      with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(3): file.writestr(f"f{i}", b"\\0" * (30 << 20))
      """, [place])
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: place)))
    #expect(bytes.count < 1 << 20)
    #expect(throws: CodePackage.Unusable.self) { try unpack(bytes) }
  }

  // MARK: - The folder that is packed

  private func folderDigest() async throws -> String? {
    try await CodeFolder(TrainerFiles(folder: "code", lockFile: nil), base: folder.path).digests
      .code
  }

  @Test func hiddenFilesAndCachesAreNoCode() async throws {
    let before = try await folderDigest()
    try write(".env", "SECRET=1")
    try write("__pycache__/train.pyc", "x")
    #expect(try await folderDigest() == before)
    try write("train.py", "print(2)\n")
    #expect(try await folderDigest() != before)
  }

  @Test func gitSaysWhichFilesAreCode() async throws {
    let git = Process()
    git.executableURL = URL(filePath: "/usr/bin/env")
    git.arguments = ["git", "init", "-q", folder.path + "/code"]
    try git.run()
    try await untilEnded(git)
    try #require(git.terminationStatus == 0)
    try write(".gitignore", "*.log\n")
    let before = try await folderDigest()
    try write("out.log", "x")
    #expect(try await folderDigest() == before)
    // Hidden files that git does not ignore count: they are what a clone would have.
    try write(".config", "x")
    #expect(try await folderDigest() != before)
  }

  @Test func aLockFileIsReadAndAMissingOneIsSaid() async throws {
    try write("uv.lock", "a==1")
    let files = TrainerFiles(folder: "code", lockFile: "uv.lock")
    let lock = try await CodeFolder(files, base: folder.path).digests.lock
    #expect(lock == Digest.sha256(of: [UInt8]("a==1".utf8)))
    await #expect(throws: InvalidDocument.self) {
      try await CodeFolder(TrainerFiles(folder: "code", lockFile: "no.lock"), base: folder.path)
    }
    await #expect(throws: InvalidDocument.self) {
      try await CodeFolder(TrainerFiles(folder: "nowhere", lockFile: nil), base: folder.path)
    }
  }
}
