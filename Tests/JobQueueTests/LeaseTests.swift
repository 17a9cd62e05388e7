import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// Leases, and what becomes of stages whose workers are not heard of.
@Suite struct LeaseTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await Self.queueWithStore() }

  @Test func aZombieCanWriteNothing() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let old = try #require(try await claim(w, lease: .milliseconds(50)).first)
    try await queue.pass(.milliseconds(120))
    let new = try #require(try await claim(w).first)
    #expect(new.lease.stage == old.lease.stage)
    #expect(new.lease.attempt == old.lease.attempt + 1)
    #expect(try await queue.record(old.lease, []) == false)
    #expect(
      try await queue.registerCheckpoint(
        old.lease, checkpoint: checkpoint(old), measurements: [], progress: ProgressRow()) == false)
    #expect(try await finish(old) == false)
    #expect(
      try await queue.fail(old.lease, reason: "x", permanent: true, progress: ProgressRow())
        == false)
    #expect(
      try await queue.release(old.lease, reason: "x", delay: nil, progress: ProgressRow()) == false)
    #expect(try await queue.value("select count(*) from jobs.checkpoint") == "0")
    let answer = try await queue.heartbeat(
      worker: w, held: [HeldStage(old.lease, ProgressRow()), HeldStage(new.lease, ProgressRow())],
      idle: false, lease: .seconds(10), timeout: .seconds(60))
    #expect(answer.verdicts.first { $0.0 == old.lease }?.1 == .lost)
    #expect(answer.verdicts.first { $0.0 == new.lease }?.1 == .hold)
    #expect(try await finish(new))
  }

  @Test func aLateHeartbeatSavesALeaseThatNobodyTook() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let stage = try #require(try await claim(w, lease: .milliseconds(50)).first)
    try await queue.pass(.milliseconds(120))
    let answer = try await queue.heartbeat(
      worker: w, held: [HeldStage(stage.lease, ProgressRow())], idle: false, lease: .seconds(10),
      timeout: .seconds(60))
    #expect(answer.verdicts.first?.1 == .hold)
    #expect(try await claim(w).isEmpty)
    #expect(try await finish(stage))
  }

  @Test func aCrashLoopIsParkedWithItsReasonAndRetried() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    for attempt in 1...5 {
      #expect(try await claim(w, lease: .milliseconds(10)).first?.lease.attempt == attempt)
      try await queue.pass(.milliseconds(40))
    }
    #expect(try await claim(w).isEmpty)
    #expect(try await states() == ["parked": 1, "blocked": 5])
    #expect(try await queue.state(grid: "g").isEmpty)
    #expect(try await queue.value("select reason from jobs.stage where state = 'parked'") != nil)
    #expect(
      try await queue.value(
        "select crashes || '/' || failures || '/' || preemptions from jobs.stage where state = 'parked'"
      ) == "5/0/0")
    #expect(try await queue.retry(grid: "g", run: nil).stages == 1)
    #expect(try await claim(w).count == 1)
  }

  @Test func aCheckpointIsProgressAndEndsACrashStreak() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    for _ in 1...7 {
      let stage = try #require(try await claim(w, lease: .milliseconds(10)).first)
      #expect(
        try await queue.registerCheckpoint(
          stage.lease, checkpoint: checkpoint(stage), measurements: [], progress: ProgressRow()))
      try await queue.pass(.milliseconds(40))
    }
    let next = try #require(try await claim(w).first)
    #expect(try #require(next.resume).samples > next.start)
  }

  @Test func aDrainedWorkerCostsNothing() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    for _ in 1...8 {
      let stage = try #require(try await claim(w).first)
      #expect(
        try await queue.release(stage.lease, reason: "drained", delay: nil, progress: ProgressRow())
      )
    }
    let counts = try await queue.value(
      "select failures || '/' || crashes || '/' || preemptions from jobs.stage where attempt > 0")
    #expect(counts == "0/0/8")
    #expect(try await claim(w).count == 1)
  }

  @Test func aClaimWhoseAnswerWasLostIsGivenBack() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    #expect(try await claim(w, lease: .milliseconds(20)).count == 1)
    try await queue.pass(.milliseconds(60))
    _ = try await queue.heartbeat(
      worker: w, held: [], idle: true, lease: .milliseconds(20), timeout: .seconds(60))
    #expect(try await queue.value("select preemptions from jobs.stage where attempt > 0") == "1")
    #expect(try await claim(w).count == 1)
  }

  @Test func anOutageLongerThanALeaseIsNobodysCrash() async throws {
    let folder = try TemporaryFolder()
    let cluster = try LocalCluster(home: folder.path + "/home")
    try await cluster.ensureRunning()
    let own = OwnQueue(queue: JobQueue(Database(try cluster.target(), logger: quietLogger)))
    try await Migrator(own.queue.database).migrate()
    try await own.queue.stopClock()
    try await own.queue.register(store: store, path: "/nowhere", host: "test")
    try await own.queue.submit(plan(smallGrid("g")))
    let (first, second) = (try await own.worker("a"), try await own.worker("b"))
    let stage = try #require(try await own.claim(first, lease: .milliseconds(500)).first)
    _ = try await cluster.stop()
    try await cluster.ensureRunning()
    _ = try await own.queue.state(grid: nil, patience: .upTo(.seconds(60)))
    // The lease ran out while the server was away; another worker is back sooner, and would take it.
    try await own.queue.setClock(afterServerStart: .seconds(9))
    #expect(try await own.claim(second).isEmpty)
    #expect(try await own.queue.value("select sum(crashes) from jobs.stage") == "0")
    let answer = try await own.queue.heartbeat(
      worker: first, held: [HeldStage(stage.lease, ProgressRow())], idle: false,
      lease: .seconds(10), timeout: .seconds(60))
    #expect(answer.verdicts.map(\.1) == [.hold])
    // Ten seconds are enough for a worker that lives: its lease counts again after them.
    try await own.queue.setClock(afterServerStart: .seconds(60))
    #expect(try await own.claim(second).map(\.lease.stage) == [stage.lease.stage])
    #expect(try await own.queue.value("select sum(crashes) from jobs.stage") == "1")
    _ = try await cluster.stop()
  }

  // MARK: - As in every database but the tests'

  /// A session that does not look for leases with every claim, nor soon.
  private func plainly() async throws {
    _ = try await queue.database.query("set jobctl.claims_in_order = off")
    try await setClocks(50, 500)
  }

  /// In so many seconds silent workers are looked at, and all that runs.
  private func setClocks(_ silent: Int, _ all: Int) async throws {
    _ = try await queue.database.query(
      """
      select setval('jobs.rescue_clock', (extract(epoch from api.internal_now()) * 1000)::bigint + 1000 * $1),
        setval('jobs.rescue_all_clock', (extract(epoch from api.internal_now()) * 1000)::bigint + 1000 * $2)
      """, [.integer(silent), .integer(all)])
  }

  /// What is looked at once a second, now.
  private func look() async throws {
    _ = try await queue.value("select api.internal_rescue_silent('5 s')")
  }

  private func isSilent(_ worker: Int, for seconds: Int) async throws {
    _ = try await queue.database.query(
      "update jobs.worker set seen_at = api.internal_now() - $2 * interval '1 s' where id = $1",
      [.integer(worker), .integer(seconds)])
  }

  @Test func stagesOfSilentWorkersAreRescuedAndNobodyElses() async throws {
    try await plainly()
    try await queue.submit(plan(smallGrid("g", changing: [("seeds", [1, 2, 3])])))
    let (silent, slow, fresh) = (
      try await worker("silent"), try await worker("slow"), try await worker("fresh")
    )
    let lost = try #require(try await claim(silent, lease: .milliseconds(10)).first)
    // Heard of a moment ago: what it has lost it will be told, or give back.
    let heard = try #require(try await claim(fresh, lease: .milliseconds(10)).first)
    // Silent, and its lease runs.
    let held = try #require(try await claim(slow, lease: .seconds(3600)).first)
    try await queue.pass(.milliseconds(40))
    try await isSilent(silent, for: 6)
    try await isSilent(slow, for: 6)
    try await isSilent(fresh, for: 0)
    try await look()
    let outcomes = try await queue.value(
      "select string_agg(stage_id || ' ' || coalesce(outcome, 'open'), ',' order by stage_id) from jobs.attempt"
    )
    #expect(
      outcomes
        == "\(lost.lease.stage) crashed,\(heard.lease.stage) open,\(held.lease.stage) open")
  }

  /// What a worker that stops could not give back, since the database was away.
  @Test func whoStopsGivesBackWhatItStillHolds() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let stage = try #require(try await claim(w).first)
    _ = try await queue.value("select api.retire_worker($1)", [.integer(w)])
    #expect(try await finish(stage) == false)
    #expect(
      try await queue.value("select sum(crashes) || ' ' || sum(preemptions) from jobs.stage")
        == "0 1")
    #expect(try await claim(try await worker("other")).map(\.lease.stage) == [stage.lease.stage])
  }

  /// A worker that is gone, or not known at all.
  @Test func stagesOfWorkersThatAreGoneAreRescuedByTheLookAtAll() async throws {
    try await plainly()
    try await queue.submit(plan(smallGrid("g")))
    let gone = try await worker("gone")
    #expect(try await claim(gone, lease: .milliseconds(10)).count == 1)
    _ = try await queue.database.query(
      "update jobs.worker set state = 'gone' where id = $1", [.integer(gone)])
    try await queue.pass(.milliseconds(40))
    try await isSilent(gone, for: 60)
    try await look()
    #expect(try await queue.value("select sum(crashes) from jobs.stage") == "0")
    #expect(try await queue.value("select api.rescue()") == "1")
    #expect(try await queue.value("select sum(crashes) from jobs.stage") == "1")
  }

  /// The clocks of the looks, and what a claim makes of them.
  @Test func claimsLookForSilentWorkersEachSecondAndForAllEachMinute() async throws {
    // Leases have ten seconds to be renewed after a start of the server.
    try await queue.setClock(afterServerStart: .seconds(3600))
    try await plainly()
    try await queue.submit(plan(smallGrid("g", changing: [("seeds", [1, 2, 3, 4])])))
    let (silent, gone, asking) = (
      try await worker("silent"), try await worker("gone"), try await worker("asking")
    )
    let lost = try #require(try await claim(silent, lease: .milliseconds(10)).first)
    let orphan = try #require(try await claim(gone, lease: .milliseconds(10)).first)
    _ = try await queue.database.query(
      "update jobs.worker set state = 'gone' where id = $1", [.integer(gone)])
    try await queue.pass(.milliseconds(40))
    try await isSilent(silent, for: 7200)
    try await isSilent(gone, for: 7200)
    func crashed() async throws -> [String] {
      try await queue.database.query(
        "select stage_id from jobs.attempt where outcome = 'crashed' order by stage_id"
      ).compactMap { $0["stage_id"] }
    }
    try await setClocks(50, 500)
    _ = try await claim(asking)
    #expect(try await crashed() == [])
    try await setClocks(-1, 500)
    _ = try await claim(asking)
    #expect(try await crashed() == ["\(lost.lease.stage)"])
    try await setClocks(-1, -1)
    _ = try await claim(asking)
    #expect(try await crashed() == ["\(lost.lease.stage)", "\(orphan.lease.stage)"])
  }

  @Test func stagesThatNobodyHeardOfAreLookedForOnceALease() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    func beat(sweptSecondsAgo seconds: Int) async throws {
      _ = try await queue.database.query(
        "update jobs.worker set swept_at = api.internal_now() - $1 * interval '1 s'",
        [.integer(seconds)])
      _ = try await queue.heartbeat(
        worker: w, held: [], idle: true, lease: .seconds(30), timeout: .seconds(60))
    }
    #expect(try await claim(w, lease: .seconds(300)).count == 1)
    _ = try await queue.database.query(
      "update jobs.attempt set claimed_at = api.internal_now() - interval '1 h'")
    try await beat(sweptSecondsAgo: 1)
    #expect(try await queue.value("select sum(preemptions) from jobs.stage") == "0")
    try await beat(sweptSecondsAgo: 31)
    #expect(try await queue.value("select sum(preemptions) from jobs.stage") == "1")
  }

  private struct OwnQueue: ActsAsWorker { let queue: JobQueue }
}
