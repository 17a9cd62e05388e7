import Experiments
import JobQueue
import Postgres
import TestSupport
import Testing

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

  /// The plan of a heartbeat is made while nothing runs: what runs may then seem the shortest way.
  @Test func aHeartbeatReadsItsOwnStagesOnly() async throws {
    let seeds = JSON.array((1...600).map(JSON.integer))
    try await queue.submit(plan(smallGrid("g", changing: [("seeds", seeds)])))
    _ = try await queue.value("analyze")
    let w = try await worker()
    func read() async throws -> Int {
      _ = try await queue.value("select pg_stat_force_next_flush()")
      let rows = try await queue.value(
        "select seq_tup_read + idx_tup_fetch from pg_stat_user_tables where relname = 'stage'")
      return Int(rows ?? "") ?? 0
    }
    func beat(_ stages: [ClaimedStage]) async throws {
      let held = stages.map { Held(lease: $0.lease, totals: totals($0)) }
      let (_, verdicts, _) = try await queue.heartbeat(
        worker: w, held: held, idle: false, lease: .seconds(10), timeout: .seconds(10))
      #expect(verdicts.allSatisfy { $0.1 == .hold })
    }
    try await beat([])
    let stages = try await claim(w, 4)
    for number in 0..<60 { _ = try await claim(try await worker("other-\(number)"), 8) }
    #expect(try await queue.state(grid: nil).counts["running"] == 484)
    let before = try await read()
    try await beat(stages)
    let rows = try await read() - before
    #expect(rows > 0 && rows < 100, "\(rows) rows of stages were read for four")
  }

  @Test func workersReadNoLargeTableAsAWhole() async throws {
    let seeds = JSON.array((1...1000).map(JSON.integer))
    try await queue.submit(plan(smallGrid("g", changing: [("seeds", seeds)])))
    _ = try await queue.value("analyze")
    let w = try await worker()
    let before = try await scans()

    let stages = try await claim(w, 8)
    #expect(stages.count == 8)
    let held = stages.map { Held(lease: $0.lease, totals: totals($0)) }
    _ = try await queue.heartbeat(
      worker: w, held: held, idle: false, lease: .seconds(10), timeout: .seconds(10))
    #expect(try await queue.record(stages[0].lease, []))
    #expect(
      try await queue.registerCheckpoint(
        stages[1].lease, checkpoint: checkpoint(stages[1]), measurements: [],
        totals: totals(stages[1])))
    for stage in stages[1...3] { #expect(try await finish(stage)) }
    #expect(
      try await queue.diverge(
        stages[4].lease, reason: "loss", measurements: [], totals: totals(stages[4])))
    #expect(
      try await queue.fail(
        stages[5].lease, reason: "once", permanent: false, totals: totals(stages[5])))
    #expect(
      try await queue.release(
        stages[6].lease, reason: "drained", delay: nil, totals: totals(stages[6])))
    _ = try await queue.value("select api.rescue()")
    #expect(try await claim(w, 2).count == 2)

    #expect(try await scans() == before)
    // That is seen where it happens.
    _ = try await queue.value("select count(*) from jobs.stage where law <> '{}'")
    #expect(try await scans() != before)
  }
}
