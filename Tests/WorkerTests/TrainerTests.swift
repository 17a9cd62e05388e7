import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values
import Worker

/// Programs of users' own under a worker: what they do wrong, and what they must not reach.
@Suite struct TrainerTests: TrainsExternally {
  private let queue: JobQueue
  private let folder: TemporaryFolder

  init() async throws {
    queue = try await TestCluster.queue()
    folder = try TemporaryFolder()
  }

  private func service(
    _ queue: JobQueue, untilEmpty: Bool = true, secrets: [String: String] = [:],
    checkpointEvery: Duration = .milliseconds(100)
  ) -> WorkerService {
    var options = options(folder.path + "/store", untilEmpty: untilEmpty)
    options.checkpointEvery = checkpointEvery
    var environment = ProcessInfo.processInfo.environment.merging(secrets) { $1 }
    environment["PYTHONPATH"] = repository.appending(path: "python").path
    environment["PATH"] = "/usr/bin:/bin"
    options.trainers = TrainerOptions(
      supervisor: builtProgram, scratch: folder.path + "/scratch", user: nil,
      environment: environment)
    return WorkerService(
      options, target: queue.database.target, settings: settings, logger: quietLogger,
      news: { _ in })
  }

  /// Submits the grid; its trainer does something at update 5 of the first attempt.
  private func submit(_ action: String, _ more: [JSON.Member] = []) async throws {
    try await submit(
      trainerGrid("g", .object([.init("action", .string(action)), .init("at", 5)] + more)),
      to: queue, code: Self.trainer)
  }

  private func results(_ queue: JobQueue) async throws -> String? {
    try await queue.value(
      """
      select string_agg(concat_ws(' ', run, state, parameters_digest, updates), E'\\n' order by run)
      from report.run
      """)
  }

  private func firstReason() async throws -> String? {
    try await queue.value("select min(reason) from jobs.stage where start_samples = 0")
  }

  /// A crash is counted, and tried again until there were too many; what came before is kept.
  @Test(arguments: [("kill", "signal 9"), ("exit", "ended with 3"), ("raise", "ended with 1")])
  func aTrainerThatAlwaysCrashesFailsItsRunsWithTheReason(action: String, words: String)
    async throws
  {
    try await submit(action)
    try await service(queue, checkpointEvery: .seconds(3600)).run()
    #expect(
      try await queue.value("select string_agg(distinct state, ',') from report.run") == "failed")
    let reason = try await firstReason() ?? ""
    #expect(reason.contains(words), "\(reason)")
    // The end of what it wrote is in the queue.
    if action == "raise" {
      #expect(
        try await queue.value("select bool_and(log like '%no such luck%') from jobs.attempt") == "t"
      )
    }
  }

  /// A checkpoint of the moment at which an attempt began is no progress: the stage fails as if there were none.
  @Test func aTrainerThatCrashesAtOneUpdateFailsAlsoWithCheckpoints() async throws {
    try await submit("save and exit", [.init("always", true)])
    try await service(queue, checkpointEvery: .seconds(3600)).run()
    #expect(
      try await queue.value("select string_agg(distinct state, ',') from report.run") == "failed")
    // The stage went on from checkpoints before it failed.
    #expect(try await queue.value("select max(updates_from) from jobs.attempt") == "5")
  }

  @Test func aTrainerThatDivergesEndsItsRuns() async throws {
    try await submit("diverge")
    try await service(queue).run()
    #expect(
      try await queue.value("select string_agg(distinct state, ',') from report.run") == "diverged")
    #expect(try await firstReason() == "train_loss is nan")
  }

  /// Torn outputs, files of others and a clock that lies are against the contract: no attempt is luckier.
  @Test(arguments: [
    (#"{"type":"checkpoint","samples":160,"file":"nothing"}"#, "no file"),
    (#"{"type":"checkpoint","samples":160,"file":"../stage.json"}"#, "named without a folder"),
    (#"{"type":"checkpoint","samples":160,"file":"/etc/passwd"}"#, "named without a folder"),
    (#"{"type":"checkpoint","samples":161,"file":"x"}"#, "updates of 32"),
    (#"{"type":"progress","samples":9999999}"#, "the stage goes from sample 0"),
  ])
  func aTrainerThatBreaksTheContractFails(message: String, words: String) async throws {
    try await submit(message)
    try await service(queue).run()
    #expect(
      try await queue.value("select string_agg(distinct state, ',') from report.run") == "failed")
    #expect(try await queue.value("select max(attempt) from jobs.attempt") == "1")
    let reason = try await firstReason() ?? ""
    #expect(reason.contains(words), "\(reason)")
    // The checkpoints from before the breach stay.
    #expect(
      try await queue.value(
        "select count(*) from jobs.checkpoint where samples % 32 <> 0 or samples > 160")
        == "0")
  }

  /// What was submitted is frozen: an edited folder changes nothing, also for a worker that starts later.
  @Test func codeThatChangesAfterTheSubmissionChangesNothing() async throws {
    let code = folder.path + "/code"
    try FileManager.default.copyItem(atPath: Self.trainer, toPath: code)
    try await submit(trainerGrid("g"), to: queue, code: code)
    try Data("raise SystemExit(9)\n".utf8).write(to: URL(filePath: code + "/train.py"))
    try await service(queue).run()
    let calm = try await TestCluster.queue()
    try await submit(trainerGrid("g"), to: calm, code: Self.trainer)
    let other = try TemporaryFolder()
    var options = options(other.path + "/store")
    options.trainers = trainers(other.path + "/scratch")
    try await WorkerService(
      options, target: calm.database.target, settings: settings, logger: quietLogger,
      news: { _ in }
    ).run()
    let results = try await results(queue)
    #expect(results?.contains("finished") == true)
    #expect(try await self.results(calm) == results)
    #expect(
      try await queue.value("select count(*) from report.run_measurement where numbers ? 'seen'")
        == "9")
    // Another folder is another stage.
    try await submit(trainerGrid("h"), to: queue, code: code)
    #expect(try await queue.value("select count(*) from jobs.code") == "2")
  }

  /// Variables are an allow-list, and no file of the worker is open in the program.
  @Test func aTrainerSeesNoSecretAndNoOpenFile() async throws {
    try await submit("look")
    try await service(
      queue,
      secrets: [
        "PGPASSWORD": "s3cret", "JOBCTL_DATABASE_URL": "x", "AWS_SECRET_ACCESS_KEY": "s3cret",
        "LC_ALL": "C.UTF-8",
      ]
    ).run()
    let log = try #require(
      try await queue.value("select max(log) from jobs.attempt where log like '%variables%'"))
    let lines = log.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    let variables = try #require(lines.first { $0.first == "variables" }?.dropFirst())
    #expect(
      Set(variables).isSubset(of: [
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "VIRTUAL_ENV", "LC_ALL", "LC_CTYPE",
        "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "JOBCTL_STAGE", "JOBCTL_SOCKET",
        "JOBCTL_OUTPUT", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PWD",
        "SHLVL", "_", "OLDPWD", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONDONTWRITEBYTECODE",
      ]), "\(variables)")
    #expect(variables.contains("LC_ALL") && variables.contains("JOBCTL_STAGE"))
    // Standard input, output and error, its socket, and the folder that it lists.
    let files = try #require(lines.first { $0.first == "files" }?.dropFirst())
    #expect(files.count <= 5, "\(files)")
    #expect(!log.contains("s3cret"))
  }

  /// gc removes code that no grid needs any more, and leaves that of a submission which is under way.
  @Test func codeIsCollectedWhenNoStageNeedsIt() async throws {
    try await submit(trainerGrid("g"), to: queue, code: Self.trainer)
    func collected() async throws -> Int? {
      _ = try await queue.database.query("select api.gc('final', 'no-store')")
      return try await queue.value("select count(*) from jobs.code").flatMap { Int($0) }
    }
    #expect(try await collected() == 1)
    _ = try await queue.database.query("select api.cancel('g')")
    _ = try await queue.database.query("select api.delete_grid('g')")
    let submission = try await submission(trainerGrid("h"), code: Self.trainer)
    let connection = try await Connection.open(queue.database.target)
    try await connection.query("begin")
    try await connection.query(
      "select api.store_code(archive) from jobs.code")
    #expect(try await collected() == 1)
    _ = try await submission.send(on: connection)
    try await connection.query("commit")
    #expect(try await collected() == 1)
    _ = try await queue.database.query("select api.delete_grid('h')")
    #expect(try await collected() == 0)
  }

  /// The login decides, also for calls by hand.
  @Test func submittingATrainerTakesItsRole() async throws {
    let submission = try await submission(trainerGrid("g"), code: Self.trainer)
    var withoutCode = submission
    withoutCode.code = []
    let name = "plain_\(UInt32.random(in: 0...UInt32.max))"
    _ = try await queue.database.query("create role \(name) login in role jobctl_submitter")
    let connection = try await Connection.open(queue.database.target)
    try await connection.query("set session authorization \(name)")
    func send(_ submission: Submission) async -> PostgresError? {
      do throws(PostgresError) {
        try await connection.query("begin")
        _ = try await submission.send(on: connection)
        try await connection.query("commit")
        return nil
      } catch {
        // The connection is the test's own: what fails here fails the next line too.
        _ = try? await connection.query("rollback")
        return error
      }
    }
    for submission in [submission, withoutCode] {
      guard case .server(let state, _, _) = await send(submission) else {
        Issue.record("it was taken")
        continue
      }
      #expect(state.code == "42501")
    }
    #expect(try await queue.value("select count(*) from jobs.stage") == "0")
    _ = try await queue.database.query("grant jobctl_trainers to \(name)")
    // Code that the queue does not have could be trained by nobody.
    guard case .server(let state, _, _) = await send(withoutCode) else {
      Issue.record("it was taken")
      return
    }
    #expect(state.code == "JC004")
    #expect(await send(submission) == nil)
    #expect(try await queue.value("select count(*) > 0 from jobs.stage") == "t")
  }

  /// An unchanged script, which knows nothing of jobctl.
  @Test func aScriptThatOnlyReadsItsArgumentsIsTrained() async throws {
    let code = folder.path + "/code"
    try FileManager.default.createDirectory(atPath: code, withIntermediateDirectories: true)
    try Data("echo seed $1 rate $2 of $3 epochs > $4/result\ncat $4/result\n".utf8).write(
      to: URL(filePath: code + "/run.sh"))
    let document = trainerGrid(
      "plain",
      changing: [
        ("trainer.command", ["sh", "run.sh", "{seed}", "{learning_rate}", "{epochs}", "{output}"]),
        ("schedule", ["name": "constant"]), ("batch", ["size": 32]), ("grid", [:]),
      ])
    try await submit(document, to: queue, code: code)
    try await service(queue).run()
    #expect(try await queue.value("select state from report.run") == "finished")
    #expect(try await queue.value("select updates = 45 and samples = 1440 from report.run") == "t")
    #expect(
      try await queue.value("select log from jobs.attempt") == "seed 1 rate 0.05 of 3 epochs\n")
  }
}
