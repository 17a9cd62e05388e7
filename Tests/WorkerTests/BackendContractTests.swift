import Foundation
import JobQueue
import Postgres
import Synchronization
import TestSupport
import Testing
import Values
import Worker

/// An attempt relies on these rules with every backend: the engine, a trainer, and a script that only counts.
@Suite struct BackendContractTests: TrainsExternally {
  enum Kind: String, CaseIterable, Sendable { case native, external, scripted }

  /// A queue with a grid whose stages are of this backend.
  private func queue(_ kind: Kind, epochs: Int = 3, drops: JSON = [1, 2]) async throws -> JobQueue {
    let queue = try await TestCluster.queue()
    if kind == .external {
      // Slow enough for a checkpoint in between.
      let document = trainerGrid(
        "g", ["pace": .number("0.01")],
        changing: [("epochs", .integer(epochs)), ("schedule.drops.epochs", drops)])
      try await submit(document, to: queue, code: Self.trainer)
      return queue
    }
    try await queue.submit(
      plan(
        smallGrid(
          "g",
          changing: [
            ("epochs", .integer(epochs)), ("network", "mlp"), ("schedule.drops.epochs", drops),
          ])))
    if kind == .scripted {
      _ = try await queue.database.query("update jobs.stage set backend = 'scripted'")
    }
    return queue
  }

  private func service(
    _ queue: JobQueue, _ store: String, _ backend: ScriptedBackend, untilEmpty: Bool = true,
    checkpointEvery: Duration = .milliseconds(100)
  ) -> WorkerService {
    var options = options(store, untilEmpty: untilEmpty)
    options.checkpointEvery = checkpointEvery
    options.trainers = trainers(store + "-trainers")
    return WorkerService(
      options, target: queue.database.target, settings: settings, backends: [backend],
      logger: quietLogger, news: { _ in })
  }

  /// Runs a worker until the queue has `t` as its answer, then drains it.
  private func run(_ worker: WorkerService, of queue: JobQueue, until sql: String) async throws {
    async let running: Void = worker.run()
    try await queue.until(sql)
    worker.drain()
    try await running
  }

  /// Everything that must not depend on how often training was interrupted.
  private func results(_ queue: JobQueue) async throws -> String? {
    try await queue.value(
      """
      select string_agg(concat_ws(' ', run, state, parameters_digest, updates), E'\\n' order by run)
      from report.run
      """)
  }

  @Test(arguments: Kind.allCases) func aGridIsTrainedToItsEnd(kind: Kind) async throws {
    let (queue, folder) = (try await queue(kind), try TemporaryFolder())
    // A checkpoint is asked for at every question, also while a stage is tested.
    try await service(
      queue, folder.path + "/store", ScriptedBackend(), checkpointEvery: .zero
    ).run()
    #expect(try await queue.value("select finished from report.grid") == "3")
    #expect(
      try await queue.value(
        "select bool_and(c.samples = s.end_samples and c.final) from jobs.stage s "
          + "join jobs.checkpoint c on c.id = s.checkpoint_id") == "t")
    #expect(
      try await queue.value(
        "select count(*) from jobs.stage s where not exists "
          + "(select from jobs.measurement m where m.stage_id = s.id and m.samples = s.end_samples)"
      )
        == "0")
    #expect(
      try await queue.value("select string_agg(distinct outcome, ',') from jobs.attempt")
        == "finished")
  }

  /// Both are of the same sample, and the stages below go on from the end.
  @Test func aCheckpointOfTheLastTestDoesNotReplaceTheEnd() async throws {
    let (calm, queue) = (try await queue(.scripted), try await queue(.scripted))
    let (folder, other) = (try TemporaryFolder(), try TemporaryFolder())
    try await service(calm, other.path + "/store", ScriptedBackend()).run()
    let worker = service(
      queue, folder.path + "/store", ScriptedBackend(.isCheckpointedInItsTest), untilEmpty: false,
      checkpointEvery: .zero)
    // A file that was replaced is damaged, and would be trained again without an end.
    try await run(
      worker, of: queue,
      until: "select bool_and(state = 'done') or exists (select from jobs.attempt "
        + "where outcome = 'damaged') from jobs.stage")
    let results = try await results(calm)
    #expect(results?.contains("finished") == true)
    #expect(try await self.results(queue) == results)
  }

  /// A drained stage goes on where it was, in another worker, to the same end.
  @Test(arguments: Kind.allCases) func aDrainedStageGoesOnWhereItWas(kind: Kind) async throws {
    let (calm, disturbed) = (try await queue(kind, epochs: 20), try await queue(kind, epochs: 20))
    let (folder, other) = (try TemporaryFolder(), try TemporaryFolder())
    try await service(calm, folder.path + "/store", ScriptedBackend()).run()
    let paced = ScriptedBackend(pace: .milliseconds(20))
    for round in 1...3 {
      let worker = service(disturbed, other.path + "/store", paced, untilEmpty: false)
      try await run(
        worker, of: disturbed,
        until: "select count(*) >= \(round) and coalesce(max(updates_to - updates_from), 0) > 0 "
          + "from jobs.attempt where ended_at is null or outcome <> 'preempted'")
    }
    #expect(
      try await disturbed.value(
        "select count(*) > 0 from jobs.attempt where outcome = 'preempted'") == "t")
    try await service(disturbed, other.path + "/store", ScriptedBackend()).run()
    let results = try await results(calm)
    #expect(results?.contains("finished") == true)
    #expect(try await self.results(disturbed) == results)
    #expect(try await disturbed.value("select sum(updates_redone) from report.run") == "0")
  }

  /// Checkpoints are asked for as time goes by, and training goes on meanwhile.
  @Test(arguments: Kind.allCases) func checkpointsAreTakenInBetween(kind: Kind) async throws {
    let (queue, folder) = (try await queue(kind, epochs: 40), try TemporaryFolder())
    let worker = service(
      queue, folder.path + "/store", ScriptedBackend(pace: .milliseconds(5)), untilEmpty: false)
    try await run(
      worker, of: queue, until: "select count(*) > 2 from jobs.checkpoint where not final")
    #expect(
      try await queue.value(
        "select count(*) from jobs.checkpoint c join jobs.stage s on s.id = c.stage_id "
          + "where c.samples not between s.start_samples and s.end_samples "
          + "or c.updates <> s.start_updates + (c.samples - s.start_samples) / s.batch") == "0")
  }

  /// A stage that nobody wants any more is left, and nothing of it is written afterwards.
  @Test func anAbandonedStageWritesNothing() async throws {
    // The first stage takes minutes: it cannot have ended before it is cancelled.
    let queue = try await queue(.scripted, epochs: 800, drops: [600, 700])
    let folder = try TemporaryFolder()
    let backend = ScriptedBackend(pace: .milliseconds(50))
    let worker = service(queue, folder.path + "/store", backend, untilEmpty: false)
    async let running: Void = worker.run()
    try await queue.until("select count(*) > 0 from jobs.stage where state = 'running'")
    _ = try await queue.database.query("select api.cancel('g')")
    try await until("the backend was told") { backend.stopped.withLock { $0.contains("abandon") } }
    worker.drain()
    try await running
    #expect(
      try await queue.value(
        "select count(*) from jobs.attempt where outcome not in ('cancelled', 'finished')") == "0")
    // No checkpoint was registered after the queue had ended the attempt.
    #expect(
      try await queue.value(
        "select count(*) from jobs.checkpoint c join jobs.attempt a on a.stage_id = c.stage_id "
          + "and a.attempt = c.attempt where a.outcome = 'cancelled' and c.created_at > a.ended_at")
        == "0")
  }

  @Test func whatABackendSaysOfItsEndIsWhatTheQueueHears() async throws {
    for (script, state, reason) in [
      (ScriptedBackend.Script.fails, "failed", "the script says so"),
      (.diverges, "diverged", "the loss is not finite, says the script"),
    ] {
      let (queue, folder) = (try await queue(.scripted), try TemporaryFolder())
      try await service(queue, folder.path + "/store", ScriptedBackend(script)).run()
      #expect(
        try await queue.value("select string_agg(distinct state, ',') from report.run") == state)
      #expect(
        try await queue.value("select reason from jobs.stage where state = '\(state)' limit 1")
          == reason)
    }
  }

  /// Data that fail under training cost no update: the stage goes on from the moment before.
  @Test func aStageWhoseDataFailIsGivenBackWithItsState() async throws {
    let (queue, folder) = (try await queue(.scripted), try TemporaryFolder())
    let worker = service(
      queue, folder.path + "/store", ScriptedBackend(.cannotRead), untilEmpty: false)
    async let running: Void = worker.run()
    try await queue.until("select count(*) > 0 from jobs.stage where reason = 'a bad sector'")
    #expect(
      try await queue.value(
        "select max(c.updates - s.start_updates) from jobs.checkpoint c "
          + "join jobs.stage s on s.id = c.stage_id where s.reason = 'a bad sector'") == "5")
    worker.drain()
    try await running
  }

  @Test func aRefusedStageIsGivenBackWithTheReason() async throws {
    for (script, reason) in [
      (ScriptedBackend.Script.lacksData, "the disk is not mounted"),
      (.isOfAnotherVersion, "this version of jobctl cannot read the stage (its script)"),
    ] {
      let (queue, folder) = (try await queue(.scripted), try TemporaryFolder())
      let worker = service(
        queue, folder.path + "/store", ScriptedBackend(script), untilEmpty: false)
      try await run(
        worker, of: queue,
        until: "select count(*) > 0 from jobs.stage where starts_with(reason, '\(reason)')")
      #expect(
        try await queue.value("select count(*) from jobs.stage where state = 'failed'") == "0")
    }
  }

  /// A worker takes no stage of a backend that it has not.
  @Test(arguments: [Kind.external, .scripted])
  func stagesOfAnotherBackendAreNotClaimed(kind: Kind) async throws {
    let (queue, folder) = (try await queue(kind), try TemporaryFolder())
    let worker = WorkerService(
      options(folder.path + "/store", untilEmpty: false), target: queue.database.target,
      settings: settings, logger: quietLogger, news: { _ in })
    async let running: Void = worker.run()
    try await queue.until("select count(*) = 1 from jobs.worker")
    try await Task.sleep(for: .seconds(2))
    #expect(try await queue.value("select count(*) from jobs.attempt") == "0")
    worker.drain()
    try await running
  }
}
