import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// Real workers under real signals; what they train must not show it.
@Suite(.serialized) struct WorkerProcessTests {
  private let queue: JobQueue
  private let folder: TemporaryFolder

  /// Some seconds of training in two stages, the second with five ghost batches an update.
  private static let grid: JSON = [
    "name": "long",
    "dataset": [
      "name": "synthetic", "train": 3200, "test": 320, "height": 16, "width": 16, "classes": 8,
      "noise": 3,
    ],
    "network": "cnn", "epochs": 14,
    "optimizer": ["name": "momentum", "learning_rate": .number("0.02")],
    "batch": ["size": 32, "ghost": 32, "maximum": 160],
    "schedule": ["name": "increase", "drops": ["epochs": [6], "factor": 5]],
  ]

  init() async throws {
    queue = try await TestCluster.queue()
    try await queue.stopClock()
    folder = try TemporaryFolder()
    try await queue.submit(plan(WorkerProcessTests.grid))
  }

  private func start(through launcher: [String] = []) throws -> Process {
    try Program.worker(
      database: queue.database.target.string, home: folder.path, store: folder.path + "/store",
      through: launcher)
  }

  private func results(of queue: JobQueue) async throws -> String? {
    try await queue.value(
      """
      select concat_ws(' ', state, parameters_digest, updates, (
        select md5(string_agg(concat_ws(',', m.samples, m.updates, m.epoch, m.test_loss,
          m.test_accuracy, m.train_loss, m.train_accuracy), ';' order by m.samples))
        from report.run_measurement m where m.run_id = r.run_id)) from report.run r
      """)
  }

  /// Lets leases run out until another attempt of a stage has begun.
  private func untilAnotherAttempt() async throws {
    try await queue.until(
      "select exists (select from jobs.attempt where attempt = 2)", passing: .seconds(11))
  }

  /// The same grid, trained by one worker that nobody disturbs.
  private func undisturbed() async throws -> String? {
    let calm = try await TestCluster.queue()
    try await calm.stopClock()
    try await calm.submit(plan(WorkerProcessTests.grid))
    let home = try TemporaryFolder()
    try await untilEnded(
      try Program.worker(
        database: calm.database.target.string, home: home.path, store: home.path + "/store"))
    return try await results(of: calm)
  }

  private let hasCheckpoint = "select exists (select from jobs.checkpoint where not final)"

  @Test func killedInsideAStageItGoesOnToTheSameBits() async throws {
    let first = try start()
    try await queue.until(hasCheckpoint)
    kill(first.processIdentifier, SIGKILL)
    let second = try start()
    try await untilAnotherAttempt()
    try await queue.until(
      "select exists (select from jobs.attempt where attempt = 2 and updates_to > updates_from)")
    try await untilEnded(second)
    #expect(try await queue.value("select max(crashes) from jobs.stage") == "1")
    #expect(try await results(of: queue) == undisturbed())
  }

  @Test func drainedItCheckpointsAndEndsWellAndGoesOnToTheSameBits() async throws {
    for _ in 0..<3 {
      let worker = try start()
      let before =
        try await queue.value("select coalesce(max(samples_to), 0) from jobs.attempt") ?? "0"
      try await queue.until(
        "select coalesce(max(samples), 0) > \(before) from jobs.checkpoint")
      kill(worker.processIdentifier, SIGTERM)
      try await untilEnded(worker)
      #expect(worker.terminationStatus == 0)
    }
    try await untilEnded(try start())
    #expect(
      try await queue.value("select sum(crashes) || '/' || sum(failures) from jobs.stage") == "0/0")
    #expect(try await queue.value("select updates_redone from report.run") == "0")
    #expect(try await results(of: queue) == undisturbed())
  }

  /// A terminal, a service manager and a batch system each send others.
  @Test(arguments: [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU])
  func everySignalThatAsksItToEndDrainsIt(signal: Int32) async throws {
    let worker = try start()
    try await queue.until(hasCheckpoint)
    kill(worker.processIdentifier, signal)
    try await untilEnded(worker)
    #expect(worker.terminationReason == .exit && worker.terminationStatus == 0)
    #expect(
      try await queue.value("select sum(crashes) || '/' || sum(failures) from jobs.stage") == "0/0")
    #expect(try await queue.value("select count(*) from jobs.stage where state = 'running'") == "0")
  }

  @Test func aSignalThatWasIgnoredAtItsStartStaysIgnored() async throws {
    let worker = try start(through: ["/usr/bin/nohup"])
    try await queue.until(hasCheckpoint)
    let before = try await queue.value("select count(*) from jobs.checkpoint") ?? ""
    kill(worker.processIdentifier, SIGHUP)
    // A worker that drains writes one more, and one may be under way.
    try await queue.until("select count(*) > \(before) + 2 from jobs.checkpoint")
    kill(worker.processIdentifier, SIGTERM)
    try await untilEnded(worker)
    #expect(worker.terminationStatus == 0)
    #expect(try await queue.value("select max(attempt) from jobs.attempt") == "1")
  }

  @Test func aSecondInterruptQuitsAtOnce() async throws {
    let slow = try await TestCluster.queue()
    try await slow.stopClock()
    // A ghost batch of this network takes seconds: draining has to wait for its end.
    let grid = WorkerProcessTests.grid
      .setting(["network"], to: "wrn-16-4").setting(["dataset", "height"], to: 32)
      .setting(["dataset", "width"], to: 32).setting(["batch"], to: ["size": 1024, "ghost": 1024])
      .setting(["schedule"], to: "constant")
    _ = try await slow.submit(
      Submission(try plan(grid), priority: nil) { _ in 4 << 30 })
    let worker = try Program.worker(
      database: slow.database.target.string, home: folder.path, store: folder.path + "/slow")
    // The first update is reported within seconds of its end, when the next ghost batch is under way.
    try await slow.until("select coalesce(max(updates_to), 0) > 0 from jobs.attempt")
    kill(worker.processIdentifier, SIGINT)
    try await Task.sleep(for: .milliseconds(500))
    #expect(worker.isRunning)
    kill(worker.processIdentifier, SIGINT)
    try await untilEnded(worker)
    #expect(worker.terminationStatus == 130)
  }

  @Test func stoppedPastItsLeaseAndContinuedItCanWriteNothing() async throws {
    let zombie = try start()
    try await queue.until(hasCheckpoint)
    kill(zombie.processIdentifier, SIGSTOP)
    let second = try start()
    try await untilAnotherAttempt()
    let written = """
      select count(*) from jobs.checkpoint c where c.attempt = 1 and exists (
        select from jobs.attempt a where a.stage_id = c.stage_id and a.attempt = 2)
      """
    let before = try await queue.value(written)
    kill(zombie.processIdentifier, SIGCONT)
    try await untilEnded(second)
    let results = try await results(of: queue)
    try await untilEnded(zombie)
    #expect(try await self.results(of: queue) == results)
    #expect(try await results == undisturbed())
    #expect(try await queue.value(written) == before)
  }
}
