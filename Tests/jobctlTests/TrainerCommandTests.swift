import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// Programs of users' own as their users run them: submitted, trained, killed and drained by the command line.
@Suite struct TrainerCommandTests {
  private let queue: JobQueue
  private let folder: TemporaryFolder
  private let home: String

  init() async throws {
    queue = try await TestCluster.queue()
    folder = try TemporaryFolder()
    home = folder.path
    try FileManager.default.copyItem(
      atPath: repository.appending(path: "Tests/Fixtures/trainer").path, toPath: home + "/code")
  }

  private var database: String { queue.database.target.string }

  private func grid(_ parameters: JSON, changing changes: [(String, JSON)] = []) throws -> String {
    let document: JSON = [
      "name": "t",
      "trainer": [
        "command": ["python3", "train.py"], "code": "code", "parameters": parameters,
        "samples_per_epoch": 480, "grace": 20,
      ],
      "epochs": 3, "optimizer": ["name": "momentum", "learning_rate": .number("0.05")],
      "batch": ["size": 32, "ghost": 32, "maximum": 320],
      "schedule": ["name": "decay", "drops": ["epochs": [1, 2], "factor": 5]],
      "grid": ["schedule.name": ["decay", "increase"]],
    ]
    let changed = changes.reduce(document) {
      $0.setting($1.0.split(separator: ".").map(String.init)[...], to: $1.1)
    }
    let place = home + "/grid.json"
    try Data(changed.encoded().utf8).write(to: URL(filePath: place))
    return place
  }

  private func worker(
    _ more: [String] = [], of database: String? = nil, store: String? = nil
  ) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: Program.path)
    process.arguments =
      [
        "worker", "--external", "--until-empty", "--slots", "1", "--threads", "1", "--checkpoints",
        store ?? home + "/store", "--checkpoint-every", "0.2", "--log-level", "error",
      ] + more
    process.environment = [
      "PATH": "/usr/bin:/bin", "HOME": home, "JOBCTL_HOME": home,
      "JOBCTL_DATABASE_URL": database ?? self.database,
      "PYTHONPATH": repository.appending(path: "python").path, "TMPDIR": home,
    ]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
  }

  private func results(of queue: JobQueue) async throws -> String? {
    try await queue.value(
      """
      select string_agg(concat_ws(' ', run, state, parameters_digest, updates), E'\\n' order by run)
      from report.run
      """)
  }

  /// Processes that came of a trainer of this test: their folder of code is beneath this home.
  private func trainers() -> [String] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.filter { Int($0) != nil }.filter { process in
      let folder = try? FileManager.default.destinationOfSymbolicLink(
        atPath: "/proc/\(process)/cwd")
      return folder?.hasPrefix(home + "/") == true
    }
  }

  /// However the worker ends, nothing of the trainer lives on, not even what it has forked twice; and the
  /// next worker goes on to the same bits.
  @Test(arguments: [SIGKILL, SIGTERM]) func noProcessSurvivesTheWorker(signal: Int32) async throws {
    try await queue.stopClock()
    let hold = home + "/hold"
    try Data().write(to: URL(filePath: hold))
    let file = try grid([
      "action": "orphans", "at": 2, "pace": .number("0.02"), "hold": .string(hold),
    ])
    let submitted = try await Program.run(["submit", file], database: database, home: home)
    try #require(submitted.status == 0, "\(submitted.error)")
    let first = try worker()
    // The trainer, its three shells and their sleepers.
    try await until("the orphans live") { trainers().count >= 6 }
    kill(first.processIdentifier, signal)
    try await untilEnded(first)
    try await until("nothing of the trainer lives") { trainers().isEmpty }
    try FileManager.default.removeItem(atPath: hold)
    let second = try worker()
    // A drained worker has given its stage back; of a killed one the lease must run out. After that the
    // clock stands still, so that the second worker keeps its leases.
    try await queue.until(
      "select exists (select from jobs.attempt where attempt = 2)",
      passing: signal == SIGKILL ? .seconds(11) : nil)
    try await untilEnded(second)
    #expect(try await queue.value("select bool_and(state = 'done') from jobs.stage") == "t")
    #expect(trainers().isEmpty)
    // The second worker has removed its own files and those of the first, which could not.
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: "\(home)/jobctl-trainers-\(getuid())")
        == [])

    let calm = try await TestCluster.queue()
    let other = calm.database.target.string
    _ = try await Program.run(["submit", file], database: other, home: home)
    try await untilEnded(try worker(of: other, store: home + "/other"))
    let results = try await results(of: queue)
    #expect(results?.contains("finished") == true)
    #expect(try await self.results(of: calm) == results)
  }

  /// Under another account a program reads neither the store nor the worker's home.
  @Test(.enabled(if: getuid() == 0, "takes root, to change the account"))
  func aTrainerOfAnotherAccountReadsNoSecret() async throws {
    // The account must reach the code, which lies beneath this folder.
    chmod(home, 0o711)
    let secret = home + "/secret"
    try Data("s3cret".utf8).write(to: URL(filePath: secret))
    chmod(secret, 0o600)
    let file = try grid([
      "action": "look", "at": 0, "places": [.string(home + "/store"), .string(secret)],
    ])
    let submitted = try await Program.run(["submit", file], database: database, home: home)
    try #require(submitted.status == 0, "\(submitted.error)")
    let process = try worker(["--trainer-user", "nobody"])
    try await untilEnded(process)
    #expect(
      try await queue.value("select string_agg(distinct state, ',') from report.run") == "finished")
    let log = try await queue.value("select max(log) from jobs.attempt where log like '%user%'")
    #expect(log?.contains("user 65534 ") == true, "\(log ?? "")")
    #expect(log?.contains("cannot read \(home)/store Permission denied") == true, "\(log ?? "")")
    #expect(log?.contains("cannot read \(secret) Permission denied") == true, "\(log ?? "")")
  }

  @Test func whatWasPrintedAndTheLastStateCanBeHad() async throws {
    let file = try grid(["action": "look", "at": 0], changing: [("grid", [:])])
    _ = try await Program.run(["submit", file], database: database, home: home)
    try await untilEnded(try worker())
    let logs = try await Program.run(["logs", "t", "seed=1"], database: database, home: home)
    #expect(logs.status == 0 && logs.output.contains("variables "), "\(logs.output)\(logs.error)")
    let state = home + "/state.json"
    let exported = try await Program.run(
      ["checkpoint", "export", "t", "seed=1", state, "--checkpoints", home + "/store"],
      database: database, home: home)
    #expect(exported.status == 0, "\(exported.error)")
    let text = try String(contentsOfFile: state, encoding: .utf8)
    #expect(try JSON(parsing: text)["updates"] == 45)
    let unknown = try await Program.run(["logs", "t", "seed=2"], database: database, home: home)
    #expect(unknown.status != 0 && unknown.error.contains("seed=1"), "\(unknown.error)")
  }

  private static let mistakes: [(key: String, value: JSON, place: String, words: String)] = [
    ("trainer.command", ["python3", "train.py", "{sed}"], "trainer.command[2]", "seed"),
    ("trainer.code", "nowhere", "trainer.code", "is no folder"),
    ("trainer.data", ["../x"], "trainer.data", "inside a data folder"),
    ("trainer.resources.memory", "8 gigs", "trainer.resources.memory", "8GiB"),
    ("trainer.samples_per_epoch", 0, "trainer.samples_per_epoch", "1"),
    ("trainer.comand", ["x"], "trainer", "command"),
    ("network", "cnn", "network", "trainer"),
    ("grid", ["trainer.parametrs.x": [1]], "grid", "parameters"),
  ]

  /// Mistakes in a grid file say where they are and what is allowed.
  @Test(arguments: mistakes.indices) func aMistakeIsExplained(number: Int) async throws {
    let mistake = TrainerCommandTests.mistakes[number]
    let file = try grid(["x": 1], changing: [(mistake.key, mistake.value)])
    let planned = try await Program.run(["plan", file], home: home)
    #expect(planned.status != 0)
    #expect(
      planned.error.contains(mistake.place) && planned.error.contains(mistake.words),
      "\(planned.error)")
  }
}
