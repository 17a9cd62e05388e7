import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// Stages that end in other ways than well, and ends that are given up, damaged or lost.
@Suite struct StageEndTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await Self.queueWithStore() }

  @Test func aFinishMayClaimInTheSameTransaction() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let first = try #require(try await claim(w).first)
    func finish(
      _ stage: ClaimedStage, named file: String, slots: Int
    ) async throws -> (isOurs: Bool, claimed: [ClaimedStage]) {
      let digests = try await queue.datasetsWanted().map(\.digest)
      let (isOurs, claimed) = try await queue.finish(
        stage.lease, checkpoint: checkpoint(stage, file: file), measurements: [],
        progress: progress(stage),
        claiming: .init(
          worker: w, slots: slots, datasets: digests, stores: [store], memory: 1 << 30, grid: nil,
          threads: 1, fingerprint: "test"), for: .seconds(10))
      return (isOurs, try claimed.get().stages)
    }
    let (isOurs, children) = try await finish(first, named: "first", slots: 2)
    // What the finish has made ready.
    #expect(isOurs && children.count == 2)
    #expect(children.allSatisfy { $0.resume?.file.hasSuffix("-first") == true })
    // Lost: refused, and claimed all the same.
    _ = try await queue.value(
      "update jobs.attempt set lease_until = api.internal_now() - interval '1 s' where stage_id = $1",
      [.integer(children[0].lease.stage)])
    #expect(try await queue.value("select api.rescue()") == "1")
    let (wasOurs, again) = try await finish(children[0], named: "second", slots: 1)
    #expect(!wasOurs)
    #expect(again.map(\.lease.stage) == [children[0].lease.stage])
    let (isStill, nothing) = try await finish(first, named: "first", slots: 0)
    // Sent once more it is done already.
    #expect(isStill && nothing.isEmpty)
    // Refused by the server: nothing is claimed, and the error is that of the finish.
    let before = try await queue.value("select count(*) from jobs.attempt")
    await #expect(throws: PostgresError.self) {
      try await finish(children[1], named: "no name", slots: 4)
    }
    #expect(try await queue.value("select count(*) from jobs.attempt") == before)
  }

  /// A worker's login calls the functions itself: what it registers, a later `delete` removes.
  @Test func anAttemptRegistersFilesOfItsOwnNameAlone() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let stage = try #require(try await claim(try await worker()).first)
    let other = Lease(stage: stage.lease.stage, attempt: stage.lease.attempt + 1)
    let prefix = CheckpointRow.fileName(of: stage.lease, "")
    for name in [
      "store.json", "..", "", prefix, prefix + "../x", prefix + "a/b", prefix + "a\n",
      CheckpointRow.fileName(of: other, "end"), "x" + prefix + "end",
    ] {
      var row = checkpoint(stage)
      row.file = name
      let refused = await #expect(throws: PostgresError.self, "\(name)") {
        try await queue.registerCheckpoint(
          stage.lease, checkpoint: row, measurements: [], progress: progress(stage))
      }
      #expect("\(refused.map { "\($0)" } ?? "")".contains("cannot register the file"), "\(name)")
    }
    #expect(try await queue.value("select count(*) from jobs.checkpoint") == "0")
    #expect(try await finish(stage))
  }

  @Test func divergenceIsAResultAndSkipsWhatIsBelow() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let stage = try #require(try await claim(try await worker()).first)
    #expect(
      try await queue.diverge(
        stage.lease, reason: "the loss is NaN", measurements: [], progress: ProgressRow())
    )
    #expect(try await states() == ["diverged": 1, "skipped": 5])
    #expect(try await queue.state(grid: "g").isEmpty)
    #expect(
      try await queue.value("select string_agg(distinct state, ',') from report.run") == "diverged")
    #expect(try await queue.retry(grid: "g", run: nil).stages == 0)
    #expect(try await states() == ["diverged": 1, "skipped": 5])
  }

  @Test func aPermanentFailureSkipsTheRestUntilItIsRetried() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let stage = try #require(try await claim(w).first)
    #expect(
      try await queue.fail(
        stage.lease, reason: "no such file", permanent: true, progress: ProgressRow()))
    #expect(try await states() == ["failed": 1, "skipped": 5])
    #expect(try await queue.retry(grid: "g", run: nil).stages == 1)
    #expect(try await states() == ["ready": 1, "blocked": 5])
  }

  @Test func aPassingFailureIsTriedThreeTimes() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    for attempt in 1...3 {
      _ = try await queue.database.query("update jobs.stage set not_before = null")
      let stage = try #require(try await claim(w).first)
      #expect(stage.lease.attempt == attempt)
      #expect(
        try await queue.fail(
          stage.lease, reason: "flaky", permanent: false, progress: ProgressRow()))
    }
    #expect(try await states() == ["failed": 1, "skipped": 5])
  }

  @Test func aSharedStageIsCancelledOnlyWhenNobodyWantsIt() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let run = "schedule=decay,seed=1"
    let touched = try await queue.cancel(grid: "g", run: run)
    // Of the three stages of `decay` the first is everybody's.
    #expect(touched.runs == 1 && touched.stages == 2)
    #expect(try await states() == ["ready": 1, "blocked": 3, "cancelled": 2])
    _ = try await queue.cancel(grid: "g", run: nil)
    #expect(try await states() == ["cancelled": 6])
    let again = try await queue.submit(plan(smallGrid("g")))
    #expect(again.revived == 6)
    #expect(try await states() == ["ready": 1, "blocked": 5])
  }

  @Test func cancellingTakesTheLeaseOfARunningStage() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let stage = try #require(try await claim(w).first)
    _ = try await queue.cancel(grid: "g", run: nil)
    let answer = try await queue.heartbeat(
      worker: w, held: [HeldStage(stage.lease, ProgressRow())], idle: false, lease: .seconds(10),
      timeout: .seconds(60))
    #expect(answer.verdicts.first?.1 == .cancelled)
    #expect(try await finish(stage) == false)
  }

  @Test func aDamagedEndIsTrainedAgain() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let first = try #require(try await claim(w).first)
    #expect(try await finish(first))
    let children = try await claim(w, 2)
    let child = children[0]
    let damaged = try #require(child.resume?.checkpoint)
    #expect(try await queue.reportDamage(child.lease, checkpoint: damaged, reason: "torn"))
    // The other child has read it already and goes on.
    #expect(try await states() == ["ready": 1, "blocked": 4, "running": 1])
    #expect(try await finish(children[1]))
    let again = try #require(try await claim(w).first)
    #expect(again.lease.stage == first.lease.stage)
    #expect(again.resume == nil)
    #expect(try await finish(again))
  }

  @Test func deletingAGridKeepsWhatOthersWant() async throws {
    try await queue.submit(plan(smallGrid("a")))
    try await queue.submit(
      plan(smallGrid("b", changing: [("grid", ["schedule.name": ["decay"]])])))
    let deletion = try await queue.delete(grid: "a")
    #expect(deletion.runs == 3)
    #expect(deletion.stages == 3)
    #expect(try await states() == ["ready": 1, "blocked": 2])
  }

  @Test func anEndThatWasGivenUpIsTrainedAgainForWhoNeedsIt() async throws {
    let decay: [(String, JSON)] = [("grid", ["schedule.name": ["decay"]])]
    try await queue.submit(plan(smallGrid("g", changing: decay)))
    let w = try await worker()
    while let stage = try await claim(w).first { #expect(try await finish(stage)) }
    #expect(try await queue.collect(.stageEnds, store: store, .forReal).isEmpty)
    #expect(try await queue.collect(.last, store: store, .rehearsal).count == 2)
    #expect(try await queue.collect(.final, store: store, .forReal).count == 2)
    #expect(try await states() == ["done": 3])
    // Its first stage is that of the first grid, whose end is gone.
    try await queue.submit(
      plan(smallGrid("h", changing: [("grid", ["schedule.name": ["hybrid"]])])))
    #expect(try await states() == ["done": 2, "ready": 1, "blocked": 2])
    while let stage = try await claim(w).first { #expect(try await finish(stage)) }
    #expect(try await states() == ["done": 5])
    #expect(try await queue.value("select count(*) from report.contradiction") == "0")
  }

  @Test func aLostFileIsTrainedAgainWhereSomebodyGoesOnFromIt() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let w = try await worker()
    let first = try #require(try await claim(w).first)
    #expect(try await finish(first))
    let id = Int(try await queue.value("select id from jobs.checkpoint") ?? "") ?? 0
    #expect(try await queue.reportLost(checkpoint: id, reason: "test"))
    #expect(try await states() == ["ready": 1, "blocked": 5])
    #expect(try await queue.value("select count(*) from report.contradiction") == "0")
  }

  @Test func whatIsSupersededIsCollectedWhileItsStageIsTrained() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let stage = try #require(try await claim(try await worker()).first)
    for samples in [96, 192, 288, 384] {
      var file = checkpoint(stage, file: "\(samples)")
      file.samples = samples
      #expect(
        try await queue.registerCheckpoint(
          stage.lease, checkpoint: file, measurements: [], progress: progress(stage)))
    }
    let collected = try await queue.collect(.stageEnds, store: store, .forReal).map(\.file)
    #expect(collected == ["96", "192"].map { CheckpointRow.fileName(of: stage.lease, $0) })
    // What it would go on from is there.
    #expect(
      try await queue.value(
        "select count(*) from jobs.checkpoint where removed_at is null") == "2")
    #expect(try await finish(stage))
  }
}
