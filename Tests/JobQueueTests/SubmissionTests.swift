import Datasets
import Experiments
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// Submissions: what is sent, what is made of it, and what is refused.
@Suite struct SubmissionTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await SubmissionTests.queueWithStore() }

  private let law = Law(batch: 1, momentum: nil, rate: RateLaw(base: .one))

  /// Settings of one stage each: ten updates of one sample, of a spec with this document.
  private func submission(
    settings: Int = 1, seeds: [Int] = [1], spec document: JSON = ["ghost": 1]
  ) -> Submission {
    let spec = SubmittedSpec(document)
    return Submission(
      header: Submission.header(
        name: "g", contentDigest: Digest.sha256(of: "g"), document: [:], priority: nil),
      specs: [spec],
      settings: (0..<settings).map { number in
        var setting = SubmittedSetting()
        setting.number = number
        setting.name = "x=\(number)"
        (setting.learningRate, setting.schedule, setting.optimizer) = (1, "constant", "sgd")
        (setting.classes, setting.samplesPerEpoch, setting.chain) = (4, 10, [number])
        return setting
      },
      stages: (0..<settings).map { number in
        var stage = SubmittedStage()
        (stage.number, stage.setting, stage.memoryBytes) = (number, number, 1)
        stage.identity =
          StageIdentity(spec: document, laws: [(law, 10)], owner: "x=\(number)").text
        (stage.spec, stage.law) = (spec.digest, law.json)
        return stage
      }, seeds: seeds)
  }

  /// Names are for reports: no grid is refused for what its classes are called.
  @Test(arguments: [
    (["a", "b\tc"], true), (["a\0b", "c"], false),
    ([String(repeating: "x", count: 1 << 20), "c"], false),
  ])
  func namesOfClassesAreKeptWhereTheyCanBe(names: [String], areKept: Bool) async throws {
    let plan = try Plan(Grid(document: smallGrid("g"))) { dataset throws(InvalidDocument) in
      var facts = dataset.publishedFacts
      facts?.classNames = names
      guard let facts else { throw InvalidDocument([]) }
      return facts
    }
    try await queue.submit(plan)
    let kept = try await queue.value(
      "select class_names -> (select digest from report.dataset) from report.submission")
    #expect(
      try kept.map { try JSON(parsing: $0) } == (areKept ? .array(names.map(JSON.string)) : nil))
  }

  @Test func seedsHaveStagesOfTheirOwnAndTheirSpecInCommon() async throws {
    let seeds = JSON.array((1...50).map(JSON.integer))
    let reply = try await queue.submit(plan(smallGrid("g", changing: [("seeds", seeds)])))
    #expect(reply.runs == 150 && reply.created == 300 && reply.reused == 0)
    #expect(try await queue.value("select count(*) from jobs.spec") == "1")
    #expect(
      try await queue.value(
        """
        select count(*) from report.run_stage rs join report.stage s on s.id = rs.stage_id
        join report.run r on r.run_id = rs.run_id where s.seed <> r.seed
        """) == "0")
    #expect(
      try await queue.value(
        "select string_agg(run, ' ' order by run_id) from report.run where position < 2")
        == "schedule=decay,seed=1 schedule=decay,seed=2")
    // Half of them again, under another name, and new ones.
    let others = JSON.array((26...75).map(JSON.integer))
    let again = try await queue.submit(plan(smallGrid("h", changing: [("seeds", others)])))
    #expect(again.created == 150 && again.reused == 150)
    let stage = try #require(try await claim(try await worker()).first)
    #expect(stage.seed == 1)
  }

  /// A probe changes nothing that is trained: it is a column of the stage, and in no digest.
  @Test func gridsThatProbeOtherwiseShareTheirStages() async throws {
    let probe: JSON = ["every": 5, "ghost_batches": 4]
    let (without, with) = (
      try plan(smallGrid("a")), try plan(smallGrid("b", changing: [("gradient_probe", probe)]))
    )
    #expect(without.stages.map { $0.digest(seed: 1) } == with.stages.map { $0.digest(seed: 1) })
    try await queue.submit(with)
    #expect(try await queue.submit(without).created == 0)
    let stage = try #require(try await claim(try await worker()).first)
    #expect(stage.probe?["every"] == 5 && stage.probe?["ghost_batches"] == 4)
    #expect(stage.spec["gradient_probe"] == nil)
  }

  /// Stages of another backend, or of data that were prepared in another way, are not this worker's.
  @Test(arguments: ["backend = 'external'", "preparation = 0", "preparation = 2"])
  func aStageOfAnotherKindIsNotClaimed(kind: String) async throws {
    try await queue.submit(plan(smallGrid("g")))
    _ = try await queue.value("update jobs.stage set \(kind)")
    #expect(try await claim(try await worker()).isEmpty)
  }

  @Test func textIsSentAsItIs() async throws {
    let text = "a tab\t, a line\n, a backslash \\N and \\t, \"quotes\""
    var odd = submission(spec: ["text": .string(text), "ghost": 1])
    odd.header = odd.header.setting(["document"], to: ["text": .string(text)])
    _ = try await queue.submit(odd)
    for table in ["grid", "spec"] {
      let stored = try await queue.value("select document ->> 'text' from jobs.\(table)")
      #expect(stored == text)
    }
    #expect(try await queue.value("select count(*) from report.contradiction") == "0")
  }

  @Test func moreRunsThanAnyoneMeansAreRefused() async throws {
    var many = submission(settings: 1001, seeds: Array(1...1000))
    many.stages = []
    await #expect {
      _ = try await queue.submit(many)
    } throws: {
      "\($0)".contains("1 to 1000000 runs, not 1001000")
    }
    #expect(try await queue.value("select count(*) from jobs.grid") == "0")
  }

  /// Tables of the caller's own could carry code that would run with the owner's rights.
  @Test func tablesThatOthersMadeAreNotRead() async throws {
    await #expect {
      _ = try await queue.database.query("select api.close_submission()")
    } throws: {
      "\($0)".contains("no submission is open")
    }
    let connection = try await Connection.open(queue.database.target)
    try await connection.query("set role jobctl_submitter")
    try await connection.query("begin")
    for table in ["grid", "spec", "setting", "seed", "stage"] {
      try await connection.query("create temp table submitted_\(table)()")
    }
    await #expect {
      _ = try await connection.query("select api.close_submission()")
    } throws: {
      "\($0)".contains("no submission is open")
    }
  }

  @Test func whatStandsDeepBelowAnEndIsSkippedAtOnce() async throws {
    try await queue.submit(
      plan(smallGrid("a", changing: [("grid", [:]), ("schedule.name", "decay")])))
    let first = try #require(try await claim(try await worker()).first)
    #expect(
      try await queue.diverge(
        first.lease, reason: "loss", measurements: [], progress: progress(first)))
    // Another schedule goes on below the same first stage, by two stages of its own.
    let reply = try await queue.submit(
      plan(smallGrid("b", changing: [("grid", [:]), ("schedule.name", "increase")])))
    #expect(reply.created == 2 && reply.reused == 1)
    #expect(try await states() == ["diverged": 1, "skipped": 4])
    #expect(try await queue.state(grid: "b").isEmpty)
    #expect(try await queue.value("select count(*) from report.contradiction") == "0")
  }

  @Test func numbersThatDoNotFitTogetherAreRefused() async throws {
    for (setting, parent, chain) in [(1, nil, [0]), (0, 0, [0]), (0, nil, [1])] {
      var broken = submission()
      (broken.settings[0].number, broken.settings[0].chain) = (setting, chain)
      broken.stages[0].parent = parent
      try await refuses(broken, "numbered from 0, parents before children")
    }
    // It would be stored without the parent that it goes on from, and trained from nothing.
    var orphan = submission(settings: 2)
    orphan.stages[1].parent = 0
    try await refuses(orphan, "chains go from parent to child")
  }

  private func refuses(_ submission: Submission, _ reason: String) async throws {
    await #expect {
      _ = try await queue.submit(submission)
    } throws: {
      "\($0)".contains(reason)
    }
    #expect(try await queue.value("select count(*) from jobs.grid") == "0")
  }

  @Test func aSubmissionThatIsNotClosedLeavesNothing() async throws {
    let header = submission().header
    _ = try await queue.value("select api.open_submission($1)", [.text(header.encoded())])
    #expect(try await queue.value("select count(*) from jobs.grid") == "0")
  }
}
