import Foundation
import Host
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// Embedded databases of another version: of PostgreSQL's, or of jobctl's.
@Suite(.serialized) struct ClusterVersionTests {
  private let folder: TemporaryFolder
  private var home: String { folder.path + "/home" }

  init() throws {
    folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
  }

  private func run(_ arguments: [String], postgres: String? = nil) async throws -> Program.Result {
    var command = ["/usr/bin/env"]
    if let postgres { command.append("JOBCTL_POSTGRES=\(postgres)") }
    return try await Program.run(
      arguments, database: nil, home: home, through: postgres == nil ? [] : command)
  }

  /// A folder with a program that says it is this version's.
  private func pretended(_ version: String) throws -> String {
    let path = folder.path + "/postgresql-\(version)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try "#!/bin/sh\necho \"postgres (PostgreSQL) \(version)\"\n".write(
      toFile: path + "/postgres", atomically: true, encoding: .utf8)
    chmod(path, 0o755)
    chmod(path + "/postgres", 0o755)
    return path
  }

  private func stopped(postgres: String? = nil) async throws -> String {
    let stop = try await run(["local", "stop"], postgres: postgres)
    #expect(stop.output == "Stopped.\n", "\(stop.error)")
    let text = try await run(["local", "status"]).output
    let cluster = text.split(separator: "\n").first { $0.hasPrefix("folder ") }
    return cluster.map { String($0.dropFirst(7)) } ?? ""
  }

  private func version(of cluster: String) throws -> String {
    try String(contentsOfFile: cluster + "/data/PG_VERSION", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  @Test func aHomeOfAnotherMajorVersionNamesBoth() async throws {
    #expect(try await run(["list"]).status == 0)
    let made = try version(of: try await stopped())
    let newer = try pretended("99.1")
    for command in [["list"], ["local", "start"], ["local", "upgrade"]] {
      let refused = try await run(command, postgres: newer)
      #expect(refused.status == 69, "\(refused.output)")
      for words in [
        "made by PostgreSQL \(made)", "only the programs of PostgreSQL 99 are installed",
        "postgresql-\(made) postgresql-99", "jobctl local upgrade",
      ] { #expect(refused.error.contains(words), "\(command): \(refused.error)") }
    }
    let older = try await run(["list"], postgres: try pretended("14.3"))
    #expect(older.error.contains("no programs of PostgreSQL's server are installed"))
    #expect(older.error.contains("apt-get install postgresql-\(made)"), "\(older.error)")
    // Nothing has changed.
    #expect(try await run(["list"]).status == 0)
    let same = try await run(["local", "upgrade"])
    #expect(same.status == 0 && same.output.contains("the newest version that is installed"))
    _ = try await stopped()
  }

  /// The files of before are put back where the upgrade ended before the new ones were in their place.
  @Test func anUpgradeThatWasKilledBetweenIsUndone() async throws {
    #expect(try await run(["list"]).status == 0)
    let cluster = try await stopped()
    try FileManager.default.moveItem(
      atPath: cluster + "/data", toPath: cluster + "/data.before-upgrade")
    let list = try await run(["list"])
    #expect(list.status == 0, "\(list.error)")
    #expect(!FileManager.default.fileExists(atPath: cluster + "/data.before-upgrade"))
    _ = try await stopped()
  }

  /// Needs two versions: Debian's, and the one that the tests run on (make test-servers).
  @Test(arguments: [false, true]) func anUpgradeKeepsEverything(checksums: Bool) async throws {
    let (debian, newer) = ("/usr/lib/postgresql/15/bin", Program.server["JOBCTL_POSTGRES"] ?? "")
    guard !newer.isEmpty, newer != debian, FileManager.default.fileExists(atPath: debian) else {
      print("skipped: only one version of PostgreSQL is here; see make test-servers")
      return
    }
    let file = folder.path + "/g.json"
    try smallGrid("g").pretty().write(toFile: file, atomically: true, encoding: .utf8)
    let submitted = try await run(["submit", file], postgres: debian)
    #expect(submitted.status == 0, "\(submitted.error)")
    let worked = try await run(["worker", "--until-empty"], postgres: debian)
    #expect(worked.status == 0, "\(worked.error)")
    let before = try await run(["report", "g", "--format", "csv"], postgres: debian)
    #expect(before.status == 0 && before.output.contains("finished"), "\(before.error)")
    let cluster = try await stopped(postgres: debian)
    if checksums {
      let made = try await ChildProcess.run(
        "/usr/bin/setpriv",
        ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", debian + "/pg_checksums"]
          + ["--enable", "-D", "data"], in: cluster)
      #expect(made.isSuccess, "\(made.output)")
    }
    #expect(try version(of: cluster) == "15")
    let upgraded = try await run(["local", "upgrade"], postgres: debian + ":" + newer)
    #expect(upgraded.status == 0, "\(upgraded.error)\n\(upgraded.output)")
    #expect(upgraded.output.contains("all is well"), "\(upgraded.output)")
    #expect(try version(of: cluster) != "15")
    #expect(!FileManager.default.fileExists(atPath: cluster + "/data.before-upgrade"))
    let after = try await run(["report", "g", "--format", "csv"], postgres: newer)
    // Sums of seconds may differ in their last digit: they are added up in any order.
    func results(_ csv: String) -> [Substring] { csv.matches(of: /[0-9a-f]{64}/).map(\.output) }
    #expect(results(after.output) == results(before.output), "\(after.error)")
    #expect(results(before.output).count == 3)
    #expect(try await run(["fsck", "--deep"], postgres: newer).status == 0)
    _ = try await stopped(postgres: newer)
  }

  // MARK: - Versions of jobctl

  /// A command that reads is no reason to change a schema that workers of another version use.
  @Test func onlyASubmissionAWorkerOrMigrateMigrates() async throws {
    #expect(try await run(["list"]).status == 0)
    let target = try await run(["local", "status"]).output.split(separator: "\n").last
    let address = String(target?.dropFirst(6).dropLast() ?? "")
    let connection = try await Connection.open(try ConnectionTarget(address))
    let other = "update jobs.schema_state set digest = repeat('0', 64)"
    try await connection.query(other)
    for command in [["list"], ["status"], ["gc"], ["fsck"], ["report", "g"]] {
      let refused = try await run(command)
      #expect(refused.status == 78, "\(command): \(refused.error)")
      #expect(refused.error.contains("run: jobctl migrate"), "\(command): \(refused.error)")
    }
    try await connection.query(
      """
      insert into jobs.worker(name, host, pid, version, numerics_version, fingerprint, slots, threads,
        stores) values ('w7', 'h', 1, 'other', 1, 'f', 1, 1, '{}')
      """)
    let file = folder.path + "/g.json"
    try smallGrid("g").pretty().write(toFile: file, atomically: true, encoding: .utf8)
    for command in [["migrate"], ["worker", "--until-empty"], ["submit", file]] {
      let refused = try await run(command)
      #expect(refused.status == 78, "\(command): \(refused.error)")
      #expect(refused.error.contains("workers of that version run: w7"), "\(refused.error)")
    }
    try await connection.query("update jobs.worker set seen_at = seen_at - interval '2 minutes'")
    #expect(try await run(["migrate"]).status == 0)
    for command in [["worker", "--until-empty"], ["submit", file]] {
      try await connection.query(other)
      let done = try await run(command)
      #expect(done.status == 0, "\(command): \(done.error)")
      #expect(try await run(["list"]).status == 0)
    }
    _ = try await stopped()
  }

  @Test func networkFileSystemsAreKnown() {
    let mounts = """
      24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
      31 24 0:45 / /home rw,noatime - nfs4 server:/home rw,vers=4.2
      32 24 259:300 / /data rw - xfs /dev/nvme0n1 rw
      """
    #expect(FileSystem.type(ofDevice: 0x801, mounts: mounts) == "ext4")
    #expect(FileSystem.type(ofDevice: 45, mounts: mounts) == "nfs4")
    #expect(FileSystem.type(ofDevice: 0x11_032C, mounts: mounts) == "xfs")
    #expect(FileSystem.type(ofDevice: 77, mounts: mounts) == nil)
    for type in ["nfs4", "cifs", "fuse.sshfs"] { #expect(FileSystem.isNetwork(type: type)) }
    for type in ["ext4", "xfs", "overlay", "tmpfs"] { #expect(!FileSystem.isNetwork(type: type)) }
    #expect(FileSystem.network(of: "/proc/no/such/folder") == nil)
  }
}
