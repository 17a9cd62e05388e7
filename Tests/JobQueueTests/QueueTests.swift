import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// The queue's rules, against PostgreSQL.
@Suite struct QueueTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await QueueTests.queueWithStore() }

  // MARK: - Submitting

  @Test func sharedStagesExistOnce() async throws {
    let reply = try await queue.submit(plan(smallGrid("g")))
    #expect(reply.runs == 3)
    #expect(reply.created == 6)
    #expect(reply.shared == 2)
    #expect(reply.reused == 0)
    #expect(try await states() == ["ready": 1, "blocked": 5])
  }

  @Test func submittingTheSameAgainChangesNothing() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let again = try await queue.submit(plan(smallGrid("g")))
    #expect(again.isUnchanged && again.created == 0 && again.reused == 6)
    #expect(try await states() == ["ready": 1, "blocked": 5])
  }

  @Test func anotherGridOfTheSameNameIsRefused() async throws {
    try await queue.submit(plan(smallGrid("g")))
    await #expect(throws: PostgresError.self) {
      try await queue.submit(plan(smallGrid("g", changing: [("epochs", 4)])))
    }
  }

  @Test func aLaterGridReusesStagesHoweverTheyWereCut() async throws {
    // One stage of three epochs first; then the same law cut after each epoch.
    let constant: [(String, JSON)] = [("schedule", "constant"), ("grid", ["epochs": [3]])]
    try await queue.submit(plan(smallGrid("whole", changing: constant)))
    let cut = try await queue.submit(
      plan(
        smallGrid("cut", changing: [("schedule", "constant"), ("grid", ["epochs": [1, 2, 3]])])))
    #expect(cut.created == 2)
    #expect(cut.reused == 1)
    let stages = try await queue.value(
      """
      select count(*) from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
      join jobs.grid g on g.id = r.grid_id where g.name = 'cut' and r.name like 'epochs=3,%'
      """)
    #expect(stages == "1")
  }

  @Test func aSharedStageHasTheHighestPriorityOfThoseWhoWantIt() async throws {
    try await queue.submit(plan(smallGrid("low")), priority: 1)
    try await queue.submit(
      plan(smallGrid("high", changing: [("description", "again")])), priority: 7)
    #expect(
      try await queue.value("select min(priority) || '-' || max(priority) from jobs.stage") == "7-7"
    )
    _ = try await queue.cancel(grid: "high", run: nil)
    #expect(
      try await queue.value("select min(priority) || '-' || max(priority) from jobs.stage") == "1-1"
    )
  }

  // MARK: - Claiming and finishing

  @Test func aGridsPriorityCanBeChangedAndItsStagesFollow() async throws {
    let queue = try await TestCluster.queue()
    try await queue.submit(plan(smallGrid("g")))
    _ = try await queue.setPriority(grid: "g", 7)
    #expect(try await queue.value("select priority from jobs.grid") == "7")
    #expect(try await queue.value("select bool_and(priority = 7) from jobs.stage") == "t")
  }

  @Test func finishingUnblocksTheChildren() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let first = try #require(try await claim(w, 4).first)
    #expect(first.resume == nil)
    #expect(try await finish(first))
    #expect(try await states() == ["done": 1, "ready": 2, "blocked": 3])
    let children = try await claim(w, 4)
    #expect(children.count == 2)
    #expect(children.allSatisfy { $0.resume?.samples == $0.start })
  }

  @Test func anAcceptedFinishMayBeRepeated() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let first = try #require(try await claim(try await worker()).first)
    #expect(try await finish(first))
    #expect(try await finish(first))
    #expect(try await queue.value("select count(*) from jobs.checkpoint") == "1")
  }

  @Test func whatAWorkerCannotDoItDoesNotGet() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    #expect(try await claim(w, datasets: []).isEmpty)
    #expect(try await claim(w, grid: "other").isEmpty)
    #expect(try await claim(w, grid: "g").count == 1)
  }

  @Test func manyWorkersNeverGetTheSameStage() async throws {
    let seeds = JSON.array((1...40).map(JSON.integer))
    try await queue.submit(
      plan(smallGrid("g", changing: [("seeds", seeds), ("schedule", "constant"), ("grid", [:])])))
    let target = queue.database.target
    let datasets = try await queue.datasetsWanted().map(\.digest)
    let claimed = try await withThrowingTaskGroup(of: [Int].self) { group in
      for index in 0..<8 {
        let w = try await worker("w\(index)")
        group.addTask {
          let own = JobQueue(Database(target, logger: quietLogger))
          var mine: [Int] = []
          while true {
            let got = try await own.claim(
              .init(
                worker: w, slots: 2, datasets: datasets, stores: [], memory: 1 << 30, grid: nil,
                threads: 1, fingerprint: ""), lease: .seconds(60)
            ).stages
            if got.isEmpty { return mine }
            mine += got.map(\.lease.stage)
          }
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(claimed.count == 40)
    #expect(Set(claimed).count == 40)
  }

  @Test func aPinnedRunStaysOnMachinesWithTheFingerprintOfItsFirstStage() async throws {
    try await queue.submit(plan(smallGrid("g", changing: [("numerics", "pinned")])))
    let w = try await worker()
    let first = try #require(try await claim(w).first)
    #expect(try await finish(first))
    let datasets = try await queue.datasetsWanted().map(\.digest)
    let elsewhere = try await queue.claim(
      .init(
        worker: w, slots: 4, datasets: datasets, stores: [store], memory: 1 << 30, grid: nil,
        threads: 1, fingerprint: "another CPU"), lease: .seconds(10)
    ).stages
    #expect(elsewhere.isEmpty)
    // A later version names more libraries behind those that the first one named.
    _ = try await queue.database.query("update jobs.checkpoint set fingerprint = 'a CPU, BLAS 1'")
    for (fingerprint, count) in [("a CPU, BLAS 12", 0), ("a CPU", 0), ("a CPU, BLAS 1, libm 2", 2)]
    {
      let taken = try await queue.claim(
        .init(
          worker: w, slots: 4, datasets: datasets, stores: [store], memory: 1 << 30, grid: nil,
          threads: 1, fingerprint: fingerprint), lease: .seconds(10)
      ).stages
      #expect(taken.count == count, "\(fingerprint)")
    }
  }

  // MARK: - Order, pauses and rehearsals

  @Test func impossibleRowsAreImpossible() async throws {
    try await queue.submit(plan(smallGrid("g")))
    _ = try await claim(try await worker())
    for change in [
      "update jobs.stage set state = 'running'", "update jobs.stage set state = 'done'",
      "update jobs.stage set state = 'failed'", "update jobs.attempt set outcome = 'finished'",
      "update jobs.grid set name = 'a`b'", "update jobs.stage set state = 'asleep'",
    ] {
      await #expect(throws: PostgresError.self, "\(change)") {
        try await queue.database.query(change)
      }
    }
  }

  @Test func aSessionGoesOnBehindWhatItTookAndStillHeedsTheOrder() async throws {
    _ = try await queue.database.query("set jobctl.claims_in_order = off")
    let seeds = JSON.array((1...6).map(JSON.integer))
    let lone: [(String, JSON)] = [("seeds", seeds), ("schedule", "constant"), ("grid", [:])]
    try await queue.submit(plan(smallGrid("g", changing: lone)))
    let w = try await worker()
    let first = try #require(try await claim(w).first)
    let second = try #require(try await claim(w).first)
    #expect(second.lease.stage > first.lease.stage)
    // Given back: again the oldest.
    #expect(
      try await queue.release(first.lease, reason: "test", delay: nil, progress: ProgressRow()))
    #expect(try await claim(w).first?.lease.stage == first.lease.stage)
    try await queue.submit(
      plan(smallGrid("urgent", changing: lone + [("optimizer.learning_rate", .number("0.2"))])),
      priority: 5)
    let urgent = try #require(try await claim(w).first)
    #expect(urgent.lease.stage > second.lease.stage + 4)
    // Nothing further on, but something before: taken all the same.
    var left = 0
    while try await !claim(w).isEmpty { left += 1 }
    #expect(left == 9)
  }

  /// Where nothing is set, as in every database but the tests': a stage that becomes ready behind a
  /// session, unannounced, waits for the next look from the start.
  @Test func whereNothingIsSetClaimsDoNotLookFromTheStart() async throws {
    let name = try await queue.value("select current_database()") ?? ""
    _ = try await queue.database.query("alter database \(name) reset jobctl.claims_in_order")
    let own = Plain(queue: JobQueue(Database(queue.database.target, logger: quietLogger)))
    let seeds = JSON.array((1...4).map(JSON.integer))
    try await queue.submit(
      plan(smallGrid("g", changing: [("seeds", seeds), ("schedule", "constant"), ("grid", [:])])))
    let w = try await own.worker()
    let first = try #require(try await own.claim(w).first).lease.stage
    _ = try await own.queue.database.query(
      "select setval('jobs.next_look', (extract(epoch from clock_timestamp()) * 1000 + 30000)::bigint)"
    )
    _ = try await queue.database.query(
      "update jobs.stage set state = 'ready', worker_id = null where id = $1", [.integer(first)])
    #expect(try await own.claim(w).first?.lease.stage == first + 1)
    _ = try await own.queue.database.query("select api.internal_disorder()")
    #expect(try await own.claim(w).first?.lease.stage == first)
  }

  private struct Plain: ActsAsWorker { let queue: JobQueue }

  @Test func aPausedGridIsNotClaimedAndHandedBack() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let stage = try #require(try await claim(w).first)
    #expect(try await queue.pause(grid: "g").running == 1)
    let answer = try await queue.heartbeat(
      worker: w, held: [HeldStage(stage.lease, ProgressRow())], idle: false, lease: .seconds(10),
      timeout: .seconds(60))
    #expect(answer.verdicts.first?.1 == .paused)
    #expect(
      try await queue.release(stage.lease, reason: "paused", delay: nil, progress: ProgressRow()))
    #expect(try await claim(w).isEmpty)
    // Another grid that is not paused wants the same stage.
    try await queue.submit(plan(smallGrid("other")))
    #expect(try await claim(w).count == 1)
    _ = try await queue.pause(grid: nil)
    #expect(try await claim(w, 9).isEmpty)
    _ = try await queue.resume(grid: nil)
    _ = try await queue.resume(grid: "g")
    #expect(try await queue.value("select count(*) from jobs.stage where held") == "0")
  }

  @Test func whatIsRehearsedIsNotDone() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let touched = try await queue.cancel(grid: "g", run: nil, .rehearsal)
    #expect(touched.runs == 3 && touched.stages == 6)
    #expect(try await states() == ["ready": 1, "blocked": 5])
  }
}
