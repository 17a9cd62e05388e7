import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// What workers ask reads a few rows, however large the queue: no table that grows is read as a whole.
@Suite struct ScanTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await ScanTests.queueWithStore() }

  /// Whole reads of each table so far, as this connection has counted them.
  private func scans() async throws -> [String: Int] {
    _ = try await queue.value("select pg_stat_force_next_flush()")
    let rows = try await queue.database.query(
      """
      select relname, seq_scan from pg_stat_user_tables
      where relname in ('stage', 'run', 'run_stage', 'attempt', 'checkpoint', 'measurement', 'event')
      """)
    return Dictionary(
      uniqueKeysWithValues: rows.map { ($0["relname"] ?? "", Int($0["seq_scan"] ?? "") ?? 0) })
  }

  /// Rows of stages and attempts that were read so far, however they were found.
  private func rowsRead() async throws -> Int {
    _ = try await queue.value("select pg_stat_force_next_flush()")
    let rows = try await queue.value(
      """
      select sum(seq_tup_read + idx_tup_fetch) from pg_stat_user_tables
      where relname in ('stage', 'attempt')
      """)
    return Int(rows ?? "") ?? 0
  }

  /// A queue whose statistics are of when nothing ran, and then hundreds of stages that run.
  private func crowd(beside worker: Int) async throws -> [ClaimedStage] {
    let seeds = JSON.array((1...600).map(JSON.integer))
    try await queue.submit(plan(smallGrid("g", changing: [("seeds", seeds)])))
    _ = try await queue.value("analyze")
    let stages = try await claim(worker, 8)
    for number in 0..<60 { _ = try await claim(try await self.worker("other-\(number)"), 8) }
    #expect(try await queue.state(grid: nil).counts["running"] == 488)
    return stages
  }

  /// Plans are made while nothing runs: what runs may then seem the shortest way to one stage.
  @Test func whatAWorkerSaysOfItsStagesReadsNoOthers() async throws {
    let w = try await worker()
    let stages = try await crowd(beside: w)
    let queue = queue
    func reads(_ what: String, _ body: () async throws -> Bool) async throws {
      let before = try await rowsRead()
      #expect(try await body(), "\(what)")
      let rows = try await rowsRead() - before
      #expect(rows > 0 && rows < 60, "\(what) read \(rows) rows")
    }
    try await reads("heartbeat") {
      let held = stages.map { HeldStage($0.lease, progress($0)) }
      let answer = try await queue.heartbeat(
        worker: w, held: held, idle: false, lease: .seconds(10), timeout: .seconds(60))
      return answer.verdicts.allSatisfy { $0.1 == .hold }
    }
    try await reads("record") { try await queue.record(stages[0].lease, []) }
    try await reads("checkpoint") {
      try await queue.registerCheckpoint(
        stages[0].lease, checkpoint: checkpoint(stages[0], file: "another"),
        measurements: [], progress: progress(stages[0]))
    }
    try await reads("finish") { try await finish(stages[0]) }
    try await reads("diverge") {
      try await queue.diverge(
        stages[1].lease, reason: "loss", measurements: [], progress: progress(stages[1]))
    }
    try await reads("fail") {
      try await queue.fail(
        stages[2].lease, reason: "once", permanent: false, progress: progress(stages[2]))
    }
    try await reads("release") {
      try await queue.release(
        stages[3].lease, reason: "drained", delay: nil, progress: progress(stages[3]))
    }
    // As everywhere but in tests, where each claim looks for leases that have run out.
    _ = try await queue.database.query("set jobctl.claims_in_order = off")
    _ = try await queue.value(
      "select setval('jobs.rescue_clock', (extract(epoch from api.internal_now()) * 1000 + 60000)::bigint)"
    )
    let digests = try await queue.datasetsWanted().map(\.digest)
    try await reads("finish and claim") {
      let (isOurs, claimed) = try await queue.finish(
        stages[4].lease, checkpoint: checkpoint(stages[4]), measurements: [],
        progress: progress(stages[4]),
        claiming: .init(
          worker: w, slots: 2, datasets: digests, stores: [store], memory: 1 << 30, grid: nil,
          threads: 1, fingerprint: "test"), for: .seconds(10))
      return try isOurs && claimed.get().stages.count == 2
    }
  }

  /// The first that a worker says after its claim, mostly, and of a stage that has children.
  @Test func aFinishThatClaimsReadsNoOthersInItsFirstSession() async throws {
    let w = try await worker()
    let stages = try await crowd(beside: w)
    let digests = try await queue.datasetsWanted().map(\.digest)
    let fresh = JobQueue(Database(queue.database.target, logger: quietLogger))
    _ = try await fresh.database.query("set jobctl.claims_in_order = off")
    _ = try await queue.value(
      "select setval('jobs.rescue_clock', (extract(epoch from api.internal_now()) * 1000 + 60000)::bigint)"
    )
    let before = try await rowsRead()
    let (isOurs, claimed) = try await fresh.finish(
      stages[0].lease, checkpoint: checkpoint(stages[0]), measurements: [],
      progress: progress(stages[0]),
      claiming: .init(
        worker: w, slots: 2, datasets: digests, stores: [store], memory: 1 << 30, grid: nil,
        threads: 1, fingerprint: "test"), for: .seconds(10))
    #expect(try isOurs && claimed.get().stages.count == 2)
    _ = try await fresh.value("select pg_stat_force_next_flush()")
    let rows = try await rowsRead() - before
    #expect(rows > 0 && rows < 60, "\(rows) rows were read")
  }

  /// Planned while nothing was there, a look for leases once read all attempts for each stage that ran.
  @Test func aRescueReadsWhatRunsAndNoMore() async throws {
    let w = try await worker()
    for look in ["api.rescue()", "api.internal_rescue_silent('0 s')"] {
      #expect(try await queue.value("select \(look)") == "0")
    }
    let stages = try await crowd(beside: w)
    for stage in stages { #expect(try await finish(stage)) }
    // Attempts that ended long ago, many times those that run.
    _ = try await queue.database.query(
      """
      insert into jobs.attempt(stage_id, attempt, worker_id, lease_until, ended_at, outcome,
        updates_from, updates_to, samples_to)
      select s.id, -k, $1, now(), now(), 'preempted', 0, 0, 0
      from jobs.stage s, generate_series(1, 3) k
      """, [.integer(w)])
    try await queue.pass(.seconds(1))
    for look in ["api.rescue()", "api.internal_rescue_silent('0 s')"] {
      let before = try await rowsRead()
      #expect(try await queue.value("select \(look)") == "0")
      let rows = try await rowsRead() - before
      #expect(
        rows >= 2 * 480 && rows < 3 * 480, "\(look) read \(rows) rows for 480 stages that run")
    }
  }

  @Test func workersReadNoLargeTableAsAWhole() async throws {
    let seeds = JSON.array((1...1000).map(JSON.integer))
    try await queue.submit(plan(smallGrid("g", changing: [("seeds", seeds)])))
    _ = try await queue.value("analyze")
    let w = try await worker()
    let before = try await scans()

    let stages = try await claim(w, 8)
    #expect(stages.count == 8)
    let held = stages.map { HeldStage($0.lease, progress($0)) }
    _ = try await queue.heartbeat(
      worker: w, held: held, idle: false, lease: .seconds(10), timeout: .seconds(60))
    #expect(try await queue.record(stages[0].lease, []))
    #expect(
      try await queue.registerCheckpoint(
        stages[1].lease, checkpoint: checkpoint(stages[1]), measurements: [],
        progress: progress(stages[1])))
    for stage in stages[1...3] { #expect(try await finish(stage)) }
    #expect(
      try await queue.diverge(
        stages[4].lease, reason: "loss", measurements: [], progress: progress(stages[4])))
    #expect(
      try await queue.fail(
        stages[5].lease, reason: "once", permanent: false, progress: progress(stages[5])))
    #expect(
      try await queue.release(
        stages[6].lease, reason: "drained", delay: nil, progress: progress(stages[6])))
    _ = try await queue.value("select api.rescue()")
    #expect(try await claim(w, 2).count == 2)

    #expect(try await scans() == before)
    // That is seen where it happens.
    _ = try await queue.value("select count(*) from jobs.stage where law <> '{}'")
    #expect(try await scans() != before)
  }
}
