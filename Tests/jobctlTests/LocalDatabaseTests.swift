import Foundation
import JobQueue
import Subprocess
import SystemPackage
import TestSupport
import Testing
import Values

/// The embedded database as users of several kinds have it. Each test makes a home of its own.
@Suite(.serialized) struct LocalDatabaseTests {
  private func run(
    _ arguments: [String], home: String, environment more: [String: String] = [:],
    through prefix: [String] = []
  ) async throws -> Program.Result {
    var values = ["PATH": "/usr/bin:/bin", "HOME": home]
    if !home.isEmpty { values["JOBCTL_HOME"] = home }
    values.merge(Program.server) { $1 }
    values.merge(more) { $1 }
    let command = prefix + [Program.path] + arguments
    let result = try await Subprocess.run(
      .path(FilePath(command[0])), arguments: Arguments(Array(command.dropFirst())),
      environment: .custom(
        Dictionary(
          uniqueKeysWithValues: values.map { (Environment.Key(rawValue: $0.key) ?? "X", $0.value) })
      ),
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
    guard case .exited(let code) = result.terminationStatus else {
      return .init(status: -1, output: result.standardOutput, error: result.standardError)
    }
    return .init(
      status: Int32(code), output: result.standardOutput, error: result.standardError)
  }

  private func use(
    _ home: String, environment: [String: String] = [:], through prefix: [String] = []
  ) async throws {
    let list = try await run(
      ["list", "--database", "embedded"], home: home, environment: environment, through: prefix)
    #expect(list.status == 0, "\(list.error)")
    #expect(list.output.contains("No grids yet"))
    let status = try await run(["local", "status"], home: home, through: prefix)
    #expect(status.output.hasPrefix("running"))
    let stop = try await run(["local", "stop"], home: home, through: prefix)
    #expect(stop.output == "Stopped.\n", "\(stop.error)")
    #expect(
      try await run(["local", "status"], home: home, through: prefix).output.hasPrefix("stopped"))
  }

  @Test func variablesOfOtherDatabasesDoNotReachIt() async throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    try await use(
      folder.path + "/home",
      environment: [
        "PGHOSTADDR": "127.0.0.1", "PGSERVICE": "nowhere", "PGSSLMODE": "verify-full",
        "PGDATABASE": "other", "PGUSER": "nobody",
      ])
  }

  @Test func aHomeWithALongPathHasAShortSocket() async throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    try await use(folder.path + "/" + String(repeating: "long", count: 30))
  }

  @Test func aHomeThatMovesKeepsItsDatabase() async throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    try await use(folder.path + "/here")
    try FileManager.default.moveItem(atPath: folder.path + "/here", toPath: folder.path + "/there")
    try await use(folder.path + "/there")
  }

  @Test func aHomeThatTheServerCannotEnterHasItsClusterElsewhere() async throws {
    guard geteuid() == 0 else {
      print("skipped: only root's server runs as another user")
      return
    }
    let folder = try TemporaryFolder()
    try await use(folder.path + "/home")
    let name = try String(contentsOfFile: folder.path + "/home/cluster", encoding: .utf8)
    try FileManager.default.removeItem(atPath: "/var/lib/jobctl/clusters/\(name)")
  }

  @Test func anOrdinaryUserHasOneToo() async throws {
    guard geteuid() == 0 else {
      print("skipped: the other tests have run as an ordinary user")
      return
    }
    let nobody = ["/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    let folder = try TemporaryFolder()
    chown(folder.path, 65534, 65534)
    let probe = try await run(["--version"], home: folder.path, through: nobody)
    guard probe.status == 0 else {
      // Who may not enter the checkout cannot run what is in it.
      print("skipped: the user nobody cannot run \(Program.path)")
      return
    }
    try await use(folder.path + "/home", through: nobody)
  }

  @Test func manyCommandsInARowNeverHang() async throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    let home = folder.path + "/home"
    for _ in 0..<8 {
      #expect(try await run(["local", "start"], home: home).status == 0)
      #expect(try await run(["local", "stop"], home: home).status == 0)
    }
  }

  /// No shell reads a home's path, and libpq takes a comma for the next host.
  @Test(arguments: ["a $HOME `id` 'quoted'", "with,comma", "back\\slash \"double\""])
  func aHomeMayHaveAnyName(name: String) async throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    try await use(folder.path + "/" + name)
  }

  @Test func aSymbolicLinkWorksAsAHome() async throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    try FileManager.default.createDirectory(
      atPath: folder.path + "/real", withIntermediateDirectories: false,
      attributes: [.posixPermissions: 0o755])
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/link", withDestinationPath: "real")
    try await use(folder.path + "/link")
    try await use(folder.path + "/real")
  }

  @Test func aFolderThatWasThereKeepsItsMode() async throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    let shared = folder.path + "/shared"
    try FileManager.default.createDirectory(atPath: shared, withIntermediateDirectories: false)
    chmod(shared, 0o1777)
    try await use(shared)
    var facts = stat()
    #expect(stat(shared, &facts) == 0 && facts.st_mode & 0o7777 == 0o1777)
  }

  @Test func anEmptyHomeIsAnError() async throws {
    try #require(geteuid() == 0, "setpriv needs root")
    let result = try await run(
      ["list", "--database", "embedded"], home: "",
      through: ["/usr/bin/setpriv", "--reuid", "65534", "--"])
    #expect(result.status != 0 && result.error.contains("HOME is empty"), "\(result.error)")
    // A database and a folder that are named need no home.
    let named = try await run(
      ["fsck", "--database", "host=/nonexistent", "--checkpoints", "/nonexistent"], home: "",
      through: ["/usr/bin/setpriv", "--reuid", "65534", "--"])
    #expect(named.status != 0 && !named.error.contains("HOME is empty"), "\(named.error)")
  }

  /// A server that another machine started may live: two on one folder destroy it.
  @Test func aHomeWhoseServerRunsElsewhereIsLeftAlone() async throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    let home = folder.path + "/home"
    try await use(home)
    let note = home + "/server.json"
    #expect(!FileManager.default.fileExists(atPath: note))
    try #"{"host": "elsewhere", "machine": "m", "boot": "b"}"#.write(
      toFile: note, atomically: true, encoding: .utf8)
    let refused = try await run(["list", "--database", "embedded"], home: home)
    #expect(refused.status != 0, "\(refused.output)")
    for word in ["elsewhere", "local stop", note] {
      #expect(refused.error.contains(word), "\(refused.error)")
    }
    #expect(try await run(["local", "status"], home: home).output.hasPrefix("stopped"))
    try FileManager.default.removeItem(atPath: note)
    try await use(home)
  }

  /// Under one kernel the server's lock tells of it, though its process is in another container.
  @Test func aSecondHostStartsNoSecondServer() async throws {
    try #require(geteuid() == 0, "unshare needs root")
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    let home = folder.path + "/home"
    let started = try await run(["local", "start"], home: home)
    #expect(started.status == 0, "\(started.error)")
    let container = [
      "/usr/bin/unshare", "--uts", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c",
      #"hostname other && exec "$@""#, "sh",
    ]
    let refused = try await run(
      ["list", "--database", "embedded"], home: home, through: container)
    #expect(refused.status != 0 && refused.error.contains("local stop"), "\(refused.error)")
    #expect(try await run(["local", "status"], home: home).output.hasPrefix("running"))
    #expect(try await run(["list"], home: home).status == 0)
    #expect(try await run(["local", "stop"], home: home).output == "Stopped.\n")
    // Stopped here, it may be started there.
    let again = try await run(
      ["list", "--database", "embedded"], home: home, through: container)
    #expect(again.status == 0, "\(again.error)")
  }

  /// After a crash the number in postmaster.pid may be that of another home's server.
  @Test func aServerOfAnotherHomeIsNeitherStoppedNorWaitedFor() async throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o711)
    let (mine, other) = (folder.path + "/mine", folder.path + "/other")
    try await use(mine)
    let started = try await run(["local", "start"], home: other)
    #expect(started.status == 0, "\(started.error)")
    func cluster(of home: String) async throws -> String {
      let text = try await run(["local", "status"], home: home).output
      return text.split(separator: "\n").first { $0.hasPrefix("folder ") }
        .map { String($0.dropFirst(7)) } ?? ""
    }
    let stale = try await cluster(of: mine) + "/data/postmaster.pid"
    try FileManager.default.copyItem(
      atPath: try await cluster(of: other) + "/data/postmaster.pid", toPath: stale)
    #expect(try await run(["local", "status"], home: mine).output.hasPrefix("stopped"))
    #expect(try await run(["local", "stop"], home: mine).output == "It was not running.\n")
    try await use(mine)
    #expect(try await run(["local", "status"], home: other).output.hasPrefix("running"))
    #expect(try await run(["local", "stop"], home: other).output == "Stopped.\n")
  }
}
