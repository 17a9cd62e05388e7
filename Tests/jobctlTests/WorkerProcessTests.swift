import Experiments
import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

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
    folder = try TemporaryFolder()
    try await queue.submit(plan(WorkerProcessTests.grid))
  }

  private func start(_ more: [String] = []) throws -> Process {
    try Program.worker(
      database: queue.database.target.string, home: folder.path, store: folder.path + "/store", more
    )
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

  /// Waits on a fact in the queue, at most two minutes.
  private func until(_ what: String, _ sql: String) async throws {
    for _ in 0..<2400 {
      if try await queue.value(sql) == "t" { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    Issue.record("waited in vain until \(what)")
  }

  private func finished(_ process: Process) async {
    while process.isRunning { try? await Task.sleep(for: .milliseconds(20)) }
  }

  /// The same grid, trained by one worker that nobody disturbs.
  private func undisturbed() async throws -> String? {
    let calm = try await TestCluster.queue()
    try await calm.submit(plan(WorkerProcessTests.grid))
    let home = try TemporaryFolder()
    await finished(
      try Program.worker(
        database: calm.database.target.string, home: home.path, store: home.path + "/store"))
    return try await results(of: calm)
  }

  private let hasCheckpoint = "select exists (select from jobs.checkpoint where not final)"

  @Test func killedInsideAStageItGoesOnToTheSameBits() async throws {
    let first = try start()
    try await until("a checkpoint is there", hasCheckpoint)
    kill(first.processIdentifier, SIGKILL)
    let died = ContinuousClock.now
    let second = try start()
    try await until(
      "another attempt has made an update",
      "select exists (select from jobs.attempt where attempt = 2 and updates_to > updates_from)")
    #expect(ContinuousClock.now - died < .seconds(15))
    await finished(second)
    #expect(try await queue.value("select max(crashes) from jobs.stage") == "1")
    #expect(try await results(of: queue) == undisturbed())
  }

  @Test func drainedItCheckpointsAndEndsWellAndGoesOnToTheSameBits() async throws {
    for _ in 0..<3 {
      let worker = try start()
      let before =
        try await queue.value("select coalesce(max(samples_to), 0) from jobs.attempt") ?? "0"
      try await until(
        "it has trained",
        "select coalesce(max(samples), 0) > \(before) from jobs.checkpoint")
      kill(worker.processIdentifier, SIGTERM)
      await finished(worker)
      #expect(worker.terminationStatus == 0)
    }
    await finished(try start())
    #expect(
      try await queue.value("select sum(crashes) || '/' || sum(failures) from jobs.stage") == "0/0")
    #expect(try await queue.value("select updates_redone from report.run") == "0")
    #expect(try await results(of: queue) == undisturbed())
  }

  @Test func aSecondInterruptQuitsAtOnce() async throws {
    let slow = try await TestCluster.queue()
    // A ghost batch of this network takes seconds: draining has to wait for its end.
    let grid = WorkerProcessTests.grid
      .setting(["network"], to: "wrn-16-4").setting(["dataset", "height"], to: 32)
      .setting(["dataset", "width"], to: 32).setting(["batch"], to: ["size": 1024, "ghost": 1024])
      .setting(["schedule"], to: "constant")
    try await slow.submit(plan(grid))
    let worker = try Program.worker(
      database: slow.database.target.string, home: folder.path, store: folder.path + "/slow")
    for _ in 0..<600 {
      if try await slow.value("select count(*) from jobs.attempt") != "0" { break }
      try await Task.sleep(for: .milliseconds(50))
    }
    try await Task.sleep(for: .seconds(1))
    kill(worker.processIdentifier, SIGINT)
    try await Task.sleep(for: .milliseconds(500))
    #expect(worker.isRunning)
    let second = ContinuousClock.now
    kill(worker.processIdentifier, SIGINT)
    await finished(worker)
    #expect(worker.terminationStatus == 130)
    #expect(ContinuousClock.now - second < .seconds(2))
  }

  @Test func stoppedPastItsLeaseAndContinuedItCanWriteNothing() async throws {
    let zombie = try start()
    try await until("a checkpoint is there", hasCheckpoint)
    kill(zombie.processIdentifier, SIGSTOP)
    let second = try start()
    try await until(
      "another attempt trains", "select exists (select from jobs.attempt where attempt = 2)")
    kill(zombie.processIdentifier, SIGCONT)
    await finished(second)
    let results = try await results(of: queue)
    await finished(zombie)
    #expect(try await self.results(of: queue) == results)
    #expect(try await results == undisturbed())
    let writes = try await queue.value(
      """
      select count(*) from jobs.checkpoint c join jobs.attempt a
        on a.stage_id = c.stage_id and a.attempt = c.attempt where c.created_at > a.ended_at
      """)
    #expect(writes == "0")
  }
}
