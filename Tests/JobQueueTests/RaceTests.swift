import JobQueue
import Postgres
import Synchronization
import TestSupport
import Testing
import Values

/// Two changes in the same moment: one is held open in its transaction while the other comes.
@Suite struct RaceTests: ActsAsWorker {
  let queue: JobQueue
  private let decay = "schedule=decay,seed=1"

  init() async throws { queue = try await RaceTests.queueWithStore() }

  private final class End: Sendable { let isReached = Atomic(false) }

  /// Runs `first` in an open transaction, then `second` beside it; commits when `second` waits for a
  /// lock or is through.
  private func during<Result: Sendable>(
    _ first: @Sendable (isolated Connection) throws(PostgresError) -> Void,
    _ second: @escaping @Sendable (JobQueue) async throws -> Result
  ) async throws -> Result {
    let holder = try await Connection.open(queue.database.target)
    try await holder.query("begin")
    try await first(holder)
    let beside = JobQueue(Database(queue.database.target, logger: quietLogger))
    let end = End()
    return try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask {
        defer { end.isReached.store(true, ordering: .releasing) }
        return try await second(beside)
      }
      group.addTask {
        while !end.isReached.load(ordering: .acquiring) {
          let waiting = try await queue.value(
            """
            select count(*) from pg_stat_activity
            where wait_event_type = 'Lock' and datname = current_database()
            """)
          if waiting != "0" { break }
          try await Task.sleep(for: .milliseconds(5))
        }
        try await holder.query("commit")
        return nil
      }
      var result: Result?
      for try await answer in group { result = answer ?? result }
      return try #require(result)
    }
  }

  private func during<Result: Sendable>(
    _ first: String, _ parameters: [Parameter] = [],
    _ second: @escaping @Sendable (JobQueue) async throws -> Result
  ) async throws -> Result {
    try await during(
      { connection throws(PostgresError) in _ = try connection.query(first, parameters) }, second)
  }

  private func submission(_ document: JSON, priority: Int = 0) throws -> Submission {
    Submission(try plan(document), priority: priority) { _ in 1 << 20 }
  }

  private func finishCall(_ stage: ClaimedStage) -> (String, [Parameter]) {
    (
      "select api.finish($1, $2, $3, $4, $5)",
      [
        .integer(stage.lease.stage), .integer(stage.lease.attempt),
        checkpoint(stage).json.parameter, "[]", progress(stage).json.parameter,
      ]
    )
  }

  /// A child that is submitted while its parent's finish waits for the submission.
  @Test(arguments: [false, true])
  func aFinishFreesChildrenThatItCouldNotSeeWhenItBegan(claiming: Bool) async throws {
    let first = smallGrid(
      "short", changing: [("epochs", 1), ("schedule", "constant"), ("grid", [:])])
    try await queue.submit(plan(first))
    let w = try await worker()
    let parent = try #require(try await claim(w).first)
    #expect(try await claim(w).isEmpty)
    // Its first stage is what the other grid has.
    let longer = try submission(smallGrid("long", changing: [("grid", [:])]))
    let digests = try await queue.datasetsWanted().map(\.digest)
    let (checkpoint, progress, store) = (checkpoint(parent), progress(parent), store)
    let isOurs = try await during(
      { connection throws(PostgresError) in _ = try longer.send(on: connection) }
    ) { beside in
      guard claiming else {
        return try await beside.finish(
          parent.lease, checkpoint: checkpoint, measurements: [], progress: progress)
      }
      return try await beside.finish(
        parent.lease, checkpoint: checkpoint, measurements: [], progress: progress,
        claiming: .init(
          worker: w, slots: 0, datasets: digests, stores: [store], memory: 1 << 30, grid: nil,
          threads: 1, fingerprint: "test"), for: .seconds(10)
      ).isOurs
    }
    #expect(isOurs)
    #expect(try await states() == ["done": 1, "ready": 1, "blocked": 1])
    #expect(try await queue.value("select count(*) from report.contradiction") == "0")
  }

  @Test func aSubmissionKeepsTheStagesThatAreCancelledBesideIt() async throws {
    try await queue.submit(plan(smallGrid("a")))
    let other = try submission(smallGrid("b"))
    let cancelled = try await during(
      { connection throws(PostgresError) in _ = try other.send(on: connection) },
      { try await $0.cancel(grid: "a", run: nil) })
    #expect(cancelled.runs == 3 && cancelled.stages == 0)
    #expect(try await states() == ["ready": 1, "blocked": 5])
  }

  @Test func aSubmissionRevivesWhatIsCancelledBesideIt() async throws {
    try await queue.submit(plan(smallGrid("a")))
    let other = try submission(smallGrid("b"))
    let reply = try await during("select api.cancel('a')") { try await $0.submit(other) }
    #expect(reply.revived == 6)
    #expect(try await states() == ["ready": 1, "blocked": 5])
  }

  @Test func aStageRevivedWhileItsParentEndsBecomesReady() async throws {
    try await queue.submit(plan(smallGrid("g")))
    _ = try await queue.cancel(grid: "g", run: decay)
    let first = try #require(try await claim(try await worker()).first)
    let call = finishCall(first)
    _ = try await during("select api.retry('g', $1)", [.text(decay)]) {
      try await $0.database.query(call.0, call.1)
    }
    #expect(try await states() == ["done": 1, "ready": 2, "blocked": 3])
  }

  @Test func aStageRevivedAfterItsParentEndedBesideItBecomesReady() async throws {
    try await queue.submit(plan(smallGrid("g")))
    _ = try await queue.cancel(grid: "g", run: decay)
    let first = try #require(try await claim(try await worker()).first)
    let call = finishCall(first)
    let run = decay
    _ = try await during(call.0, call.1) { try await $0.retry(grid: "g", run: run) }
    #expect(try await states() == ["done": 1, "ready": 2, "blocked": 3])
  }

  @Test func aStageRevivedWhileItsParentDivergesIsSkipped() async throws {
    try await queue.submit(plan(smallGrid("g")))
    _ = try await queue.cancel(grid: "g", run: decay)
    let first = try #require(try await claim(try await worker()).first)
    let lease = first.lease
    _ = try await during("select api.retry('g', $1)", [.text(decay)]) {
      try await $0.diverge(lease, reason: "NaN", measurements: [], progress: ProgressRow())
    }
    #expect(try await states() == ["diverged": 1, "skipped": 5])
  }

  @Test func aLeaseRenewedBesideARescueIsNoCrash() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let stage = try #require(try await claim(w, lease: .milliseconds(20)).first)
    try await queue.pass(.milliseconds(60))
    let held = JSON.array([
      ["stage": .integer(stage.lease.stage), "attempt": .integer(stage.lease.attempt)]
    ])
    let rescued = try await during(
      "select api.heartbeat($1, $2, false, '10 seconds')",
      [.integer(w), .text(held.encoded())]
    ) {
      try await $0.database.query("select api.rescue()").single
    }
    #expect(rescued == "0")
    #expect(try await finish(stage))
  }

  @Test func aFinishWaitsForACancellationAndIsFenced() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let first = try #require(try await claim(try await worker()).first)
    let call = finishCall(first)
    let isAccepted = try await during("select api.cancel('g')") {
      try await $0.database.query(call.0, call.1).single
    }
    #expect(isAccepted == "f")
    #expect(try await states() == ["cancelled": 6])
  }

  @Test func manyChangesAtOnceEndInAQueueThatCanBeEmptied() async throws {
    let seeds = JSON.array((1...4).map(JSON.integer))
    let submissions = try (0..<3).map { (number: Int) in
      try submission(smallGrid("g\(number)", changing: [("seeds", seeds)]), priority: number)
    }
    for submission in submissions { _ = try await queue.submit(submission) }
    let target = queue.database.target
    let datasets = try await queue.datasetsWanted().map(\.digest)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, submission) in submissions.enumerated() {
        group.addTask {
          let own = JobQueue(Database(target, logger: quietLogger))
          for _ in 0..<15 {
            _ = try await own.cancel(grid: "g\(index)", run: nil)
            _ = try await own.retry(grid: "g\(index)", run: nil)
            _ = try await own.cancel(grid: "g\(index)", run: "schedule=decay,seed=2")
            _ = try await own.submit(submission)
          }
        }
      }
      for index in 0..<3 {
        let w = try await worker("w\(index)")
        group.addTask {
          let own = JobQueue(Database(target, logger: quietLogger))
          for turn in 0..<30 {
            let got = try await own.claim(
              .init(
                worker: w, slots: 2, datasets: datasets, stores: [store], memory: 1 << 30,
                grid: nil, threads: 1, fingerprint: "test"), lease: .seconds(60)
            ).stages
            for (place, stage) in got.enumerated() {
              if (turn + place).isMultiple(of: 3) {
                _ = try await own.release(
                  stage.lease, reason: "x", delay: nil, progress: ProgressRow())
              } else {
                _ = try await own.finish(
                  stage.lease, checkpoint: checkpoint(stage), measurements: [],
                  progress: progress(stage))
              }
            }
          }
        }
      }
      try await group.waitForAll()
    }
    // Whatever the order was: nothing waits for a parent that is done, and all can be trained.
    let w = try await worker()
    while let stage = try await claim(w).first { #expect(try await finish(stage)) }
    #expect(try await states().keys.sorted() == ["done"])
    #expect(
      try await queue.value("select count(*) from report.run where state <> 'finished'") == "0")
  }
}
