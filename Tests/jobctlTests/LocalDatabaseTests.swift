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
    var values = ["PATH": "/usr/bin:/bin", "HOME": home, "JOBCTL_HOME": home]
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
}
