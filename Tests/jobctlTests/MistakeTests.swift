import Foundation
import JobQueue
import Postgres
import Subprocess
import SystemPackage
import TestSupport
import Testing
import Values

/// Mistakes in ordinary places: a typo, a full disk, a number that names the wrong grid.
@Suite(.serialized) struct MistakeTests {
  @Test(arguments: [["sumbit", "x.json"], ["checkpoint", "lst"], ["local", "strat"], ["repotr"]])
  func aMistypedCommandIsNamedWithTheOneThatIsMeant(arguments: [String]) async throws {
    let result = try await Program.run(arguments)
    #expect(result.status == 64)
    #expect(result.error.contains("there is no command") && result.error.contains("did you mean"))
  }

  @Test func outputThatIsLostIsAFailure() async throws {
    let queue = try await TestCluster.queue()
    try await queue.submit(plan(smallGrid("g")))
    func status(_ arguments: String, to output: String) async throws -> (Int32, String) {
      let result = try await Subprocess.run(
        .path("/bin/sh"), arguments: ["-c", "exec \(Program.path) \(arguments) > \(output)"],
        environment: Program.environment(queue.database.target.string, home: "/nonexistent"),
        output: .discarded, error: .string(limit: 1 << 16))
      guard case .exited(let code) = result.terminationStatus else { return (-1, "") }
      return (Int32(code), result.standardError)
    }
    for arguments in [
      "list", "list --json", "status", "show g", "report g", "report g --format csv",
      "report g --format json", "schema", "events", "--help", "wait g --help",
      "submit --dry-run \(repository.appending(path: "examples/lr-sweep-short.json").path)",
    ] {
      let (code, error) = try await status(arguments, to: "/dev/full")
      #expect(code == 1, "\(arguments)")
      #expect(error.contains("could not be written"), "\(arguments): \(error)")
      #expect(try await status(arguments, to: "/dev/null").0 == 0, "\(arguments)")
    }
  }

  /// `delete 2` once deleted the grid that was called 2, and when repeated the second one.
  @Test func aNumberNamesOneGridAndNoOther() async throws {
    let queue = try await TestCluster.queue()
    let target = queue.database.target.string
    for name in ["a", "b", "c"] {
      try await queue.submit(
        plan(
          smallGrid(
            name,
            changing: [
              ("optimizer.learning_rate", .number("0.0\(name == "a" ? 1 : name == "b" ? 2 : 3)"))
            ])))
    }
    // As an earlier version let it be called.
    _ = try await queue.value("update jobs.grid set name = '2' where name = 'c'")
    func run(_ arguments: String...) async throws -> Program.Result {
      try await Program.run(arguments, database: target)
    }
    #expect(try await run("delete", "2", "--yes").output.contains("Deleted grid b"))
    let again = try await run("delete", "2", "--yes")
    #expect(again.status == 1 && again.error.contains("did you mean \"#3\""), "\(again.error)")
    #expect(try await run("delete", "#3", "--yes").output.contains("Deleted grid 2"))
    #expect(try await queue.value("select string_agg(name, ',') from jobs.grid") == "a")
    let numbered = smallGrid("g").setting(["name"], to: "7")
    let refused = try await Program.run(["plan", "-"], input: numbered.encoded())
    #expect(refused.status == 65 && refused.error.contains("digits alone"))
    await #expect(throws: PostgresError.self) {
      try await queue.database.query(
        "select api.open_submission('{\"format\": 2, \"name\": \"7\"}')")
    }
  }

  @Test(arguments: ["inf", "nan", "-1", "0", "1e300"])
  func secondsBetweenCheckpointsAreANumber(seconds: String) async throws {
    let result = try await Program.run(["worker", "--checkpoint-every=\(seconds)"])
    #expect(result.status == 64 && result.error.contains("--checkpoint-every"), "\(result.error)")
  }

  @Test(
    arguments: [
      ("seeds", .array([.number("100000000000000000000")])), ("epochs", .number("0.0001")),
      ("batch.maximum", .number("-1e20")), ("batch.ghost", .number("4611686018427387904")),
    ] as [(String, JSON)])
  func whatOnceTrappedIsAnError(path: String, value: JSON) async throws {
    let grid = smallGrid("g", changing: [("grid", [:]), ("schedule", "constant"), (path, value)])
    let result = try await Program.run(["plan", "-"], input: grid.encoded())
    #expect(result.status == 65, "\(result.error)")
    #expect(result.error.utf8.count < 4096)
  }

  /// `status` and `list` say which finished runs learned nothing.
  @Test func collapsedRunsAreCountedApart() async throws {
    let queue = try await TestCluster.queue()
    let home = try TemporaryFolder()
    try await queue.submit(
      plan(
        smallGrid(
          "g",
          changing: [
            ("grid", [:]), ("schedule", "constant"), ("epochs", 1),
            ("optimizer.learning_rate", .number("1e-20")),
          ])))
    let worker = try Program.worker(
      database: queue.database.target.string, home: home.path, store: home.path + "/store")
    try await untilEnded(worker)
    let target = queue.database.target.string
    let list = try await Program.run(["list", "--json"], database: target)
    let grid = try JSON(parsing: list.output)["grids"]?.items?.first
    #expect(grid?["finished"]?.intValue == 0 && grid?["collapsed"]?.intValue == 1)
    let status = try await Program.run(["status"], database: target)
    #expect(status.output.contains("1 finished runs collapsed"))
    #expect(try await Program.run(["show", "g"], database: target).output.contains("collapsed"))
    #expect(try await queue.value("select outcome from report.run") == "collapsed")
    #expect(try await queue.value("select collapsed from report.grid") == "1")
    #expect(
      try await queue.value(
        "select bool_and(test_commonest > 0 and test_samples = 96) from jobs.measurement")
        == "t")
  }
}
