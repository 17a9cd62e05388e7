import Checkpoints
import Datasets
import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values
import Worker

/// Whole grids through the real queue, in this process.
@Suite struct WorkerServiceTests: RunsWorkers {
  /// Everything that must not depend on how the work was done.
  private func results(_ queue: JobQueue) async throws -> String? {
    try await queue.value(
      """
      select string_agg(concat_ws(' ', run, state, parameters_digest, updates, test_accuracy,
        test_loss, train_loss, (select md5(string_agg(concat_ws(',', m.samples, m.updates, m.epoch,
          m.test_loss, m.test_accuracy, m.train_loss, m.train_accuracy), ';' order by m.samples))
          from report.run_measurement m where m.run_id = r.run_id)), E'\\n' order by run)
      from report.run r
      """)
  }

  @Test func aGridIsTrainedAndSharedStagesOnce() async throws {
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    try await queue.submit(plan(smallGrid("g")))
    try await work(queue, folder.path + "/store")
    #expect(try await queue.value("select finished from report.grid") == "3")
    #expect(
      try await queue.value(
        "select bool_and(updates = updates_planned and updates_redone = 0) from report.run")
        == "t")
    // Six stages for the nine of three runs, each claimed once.
    #expect(
      try await queue.value("select count(*) || '/' || max(attempt) from jobs.stage") == "6/1")
    #expect(try await queue.value("select count(*) from jobs.attempt") == "6")
    #expect(
      try await queue.value("select stages || '/' || unique_stages from report.sharing") == "9/6")
  }

  @Test func aSlotGoesOnInOneTransaction() async throws {
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    let database = try await queue.value("select current_database()") ?? ""
    _ = try await queue.database.query("alter database \(database) set track_functions = 'pl'")
    try await queue.submit(plan(smallGrid("g")))
    try await work(queue, folder.path + "/store")
    #expect(
      try await queue.value("select string_agg(distinct state, ',') from report.run") == "finished")
    // Six stages; the last two find that nothing is left, and the worker may ask at the same time.
    try await queue.until(
      "select calls >= 3 from pg_stat_user_functions where funcname = 'finish_and_claim'")
  }

  @Test func twoWorkersGiveTheSameBitsAsOne() async throws {
    let (one, two) = (try await TestCluster.queue(), try await TestCluster.queue())
    let (folder, other) = (try TemporaryFolder(), try TemporaryFolder())
    let grid = smallGrid("g", changing: [("seeds", [1, 2])])
    try await one.submit(plan(grid))
    try await two.submit(plan(grid))
    try await work(one, folder.path + "/store")
    async let first: Void = work(two, other.path + "/store")
    async let second: Void = work(two, other.path + "/store")
    _ = try await (first, second)
    let results = try await results(one)
    #expect(results != nil)
    #expect(try await self.results(two) == results)
    #expect(try await two.value("select max(attempt) from jobs.stage") == "1")
  }

  @Test func aTornCheckpointIsNoticedAndTrainedAgain() async throws {
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    let store = folder.path + "/store"
    let only = [("grid", ["schedule.name": ["decay"]] as JSON)]
    try await queue.submit(plan(smallGrid("first", changing: only)))
    try await work(queue, store)
    let undamaged = try await queue.value("select parameters_digest from report.run")
    // The end of the first stage is torn; a new grid goes on from there.
    let file = try #require(
      try await queue.value(
        "select file from report.checkpoint where final order by samples limit 1"))
    let bytes = try Data(contentsOf: URL(filePath: "\(store)/\(file)"))
    try bytes.prefix(bytes.count / 2).write(to: URL(filePath: "\(store)/\(file)"))
    try await queue.submit(
      plan(smallGrid("second", changing: [("grid", ["schedule.name": ["increase"]])])))
    try await work(queue, store)
    #expect(
      try await queue.value("select string_agg(distinct state, ',') from report.run") == "finished")
    #expect(try await queue.value("select count(*) from jobs.event where kind = 'damaged'") == "1")
    // The stage that was trained again ended in the same state.
    let digests = try await queue.value(
      """
      select count(distinct parameters_digest) from jobs.checkpoint c
      where final and stage_id = (select id from jobs.stage where parent_id is null)
      """)
    #expect(digests == "1")
    #expect(
      try await queue.value("select parameters_digest from report.run where grid = 'first'")
        == undamaged)
  }

  @Test func divergenceIsReportedAsAResult() async throws {
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    try await queue.submit(
      plan(
        smallGrid(
          "g",
          changing: [
            ("network", "mlp"), ("optimizer.learning_rate", .number("1e6")), ("grid", [:]),
          ])))
    try await work(queue, folder.path + "/store")
    #expect(try await queue.value("select state from report.run") == "diverged")
    #expect(try await queue.value("select reason from report.run")?.contains("finite") == true)
  }

  /// An immediate shutdown: the server recovers from its log at the next start.
  private func crash(_ cluster: LocalCluster) async throws {
    let text = try String(contentsOfFile: cluster.folder + "/data/postmaster.pid", encoding: .utf8)
    let process = try #require(text.split(separator: "\n").first.flatMap { Int32($0) })
    kill(process, SIGQUIT)
    try await until("the server has ended") { !cluster.isRunning }
  }

  @Test func aStoreThatIsAwayHoldsStagesBackAndLosesNothing() async throws {
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    let (store, elsewhere) = (folder.path + "/store", folder.path + "/elsewhere")
    let only = [("grid", ["schedule.name": ["decay"]] as JSON)]
    try await queue.submit(plan(smallGrid("first", changing: only)))
    try await work(queue, store)
    // A worker that has opened the store already: only then does it go away.
    let worker = Task { try await work(queue, store, untilEmpty: false) }
    try await queue.until("select count(*) from jobs.worker", is: "2")
    try FileManager.default.moveItem(atPath: store, toPath: elsewhere)
    try await queue.submit(
      plan(smallGrid("second", changing: [("grid", ["schedule.name": ["increase"]])])))
    try await Task.sleep(for: .seconds(4))
    #expect(try await queue.value("select count(*) from jobs.event where kind = 'damaged'") == "0")
    #expect(
      try await queue.value("select count(*) from jobs.stage where state = 'ready'") != "0")
    worker.cancel()
    _ = try? await worker.value
    try FileManager.default.moveItem(atPath: elsewhere, toPath: store)
    try await work(queue, store)
    #expect(
      try await queue.value("select string_agg(distinct state, ',') from report.run") == "finished")
    #expect(try await queue.value("select max(attempt) from jobs.stage") == "1")
  }

  @Test func aRestartOfPostgreSQLLosesNothing() async throws {
    let (calm, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    let grid = smallGrid(
      "g", changing: [("dataset.train", 2400), ("epochs", 18), ("schedule.drops.epochs", [6, 12])])
    try await calm.submit(plan(grid))
    try await work(calm, folder.path + "/store")
    let cluster = try LocalCluster(home: folder.path + "/home")
    try await cluster.ensureRunning()
    let database = Database(try cluster.target(), logger: quietLogger)
    try await Migrator(database).migrate()
    let queue = JobQueue(database)
    try await queue.stopClock()
    try await queue.submit(plan(grid))
    // By its own clock the worker stops two seconds after the last answer to a heartbeat; the queue's
    // clock stands, but for the outages.
    var settings = settings
    (settings.heartbeat, settings.margin) = (.milliseconds(500), settings.lease - .seconds(2))
    let worker = Task { [settings] in
      try await work(queue, folder.path + "/other", settings: settings)
    }
    func fact(_ sql: String) async throws -> String? {
      try await database.query(sql, patience: .upTo(.seconds(30))).single
    }
    for crashes in [false, true] {
      // Only an outage in the middle of training proves something.
      let checkpoints = try await fact("select count(*) from jobs.checkpoint") ?? "0"
      try await until("a stage is in the middle of its training") {
        try await fact(
          """
          select exists (select from jobs.stage where state = 'running')
            and count(*) > \(checkpoints) from jobs.checkpoint
          """) == "t"
      }
      if crashes {
        try await crash(cluster)
      } else {
        _ = try await cluster.stop()
      }
      // Once for a moment, and once until the worker has stopped by itself.
      try await Task.sleep(for: .milliseconds(crashes ? 500 : 4000))
      try await cluster.ensureRunning()
      _ = try await fact("select 1")
      // All leases run out while the server is away, which is no worker's crash.
      try await queue.pass(settings.lease)
      try await queue.setClock(afterServerStart: .seconds(9))
    }
    try await worker.value
    #expect(try await fact("select sum(crashes) from jobs.stage") == "0")
    let disturbed = try await self.results(JobQueue(Database(database.target, logger: quietLogger)))
    _ = try await cluster.stop()
    #expect(try await results(calm) == disturbed)
  }
}
