import Datasets
import Experiments
import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// The queue computes digests itself: what a stage trains is what its digest is taken of.
@Suite struct DigestTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await DigestTests.queueWithStore() }

  private func submission(_ document: JSON) throws -> Submission {
    Submission(try plan(document), priority: nil) { _ in 1 << 20 }
  }

  @discardableResult
  private func submit(_ document: JSON) async throws -> Submitted {
    try await queue.submit(submission(document))
  }

  private static let examples = examplesWithBuiltInData()

  private static func examplesWithBuiltInData() -> [String] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    return ["examples", "examples/study"].flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(folder)")) ?? [])
        .filter { $0.hasSuffix(".json") }.map { "\(root)/\(folder)/\($0)" }
    }.sorted()
  }

  /// The queue leaves out of a spec what says where its data are, as the planner does.
  @Test func noPlaceOfAnyKindOfDataIsInADigest() async throws {
    #expect(DatasetVocabulary.all.places.count >= 2)
    for place in DatasetVocabulary.all.places {
      let kept = try await queue.value(
        "select api.internal_trained_spec('{\"dataset\": {\"name\": \"x\", \"\(place)\": \"y\"}}')")
      #expect(kept == "{\"dataset\": {\"name\": \"x\"}}", "\(place)")
    }
  }

  /// Plans a grid of any data, of which nothing is read.
  private func planned(_ path: String) throws -> Plan {
    let document = try JSON(parsing: String(contentsOfFile: path, encoding: .utf8))
    return try Plan(Grid(document: document)) { dataset throws(InvalidDocument) in
      var facts =
        dataset.publishedFacts
        ?? DatasetFacts(
          train: 100_000, test: 100, height: 80, width: 80, channels: 3, classes: 10, digest: nil)
      facts.digest = facts.digest ?? Digest.sha256(of: dataset.json.encoded(sorted: true))
      return facts
    }
  }

  /// Start, end, updates, rates and noise scales in SQL and in Swift, to the bit.
  @Test(arguments: examples) func theQueueTakesFromTheTextWhatWasPlanned(example: String)
    async throws
  {
    try await compare(try planned(example))
  }

  /// Every form of a law: curves of every shape, with and without a warm-up, paid by the rate and by the
  /// batch; powers whose last rates are smaller than any number in single precision.
  @Test(arguments: ScheduleSpec.Curve.Shape.allCases, ["decay", "increase"])
  func theQueueComputesTheRatesThatAreTrained(shape: ScheduleSpec.Curve.Shape, name: String)
    async throws
  {
    var curves: [JSON] = [["shape": .string(shape.rawValue), "end": .number("0.01")]]
    if shape == .polynomial {
      curves += ["2", "20", "100"].map { ["shape": "polynomial", "power": .number($0)] }
    }
    let schedules = curves.flatMap { curve -> [JSON] in
      let plain: JSON = ["name": .string(name), "curve": curve]
      return [plain, plain.setting(["warm_up"], to: ["epochs": 1, "from": .number("0.001")])]
    }
    let variants = schedules.enumerated().map { index, schedule in
      JSON.Member("v\(index)", ["schedule": schedule])
    }
    try await compare(
      plan(
        smallGrid(
          "g", changing: [("grid", [:]), ("variants", .object(variants)), ("epochs", 8)])))
  }

  /// Which optimizers have a noise scale, and which a momentum.
  @Test func theQueueKnowsEveryOptimizer() async throws {
    let optimizers = OptimizerSpec.Name.allCases.map { name -> JSON in
      ["name": .string(name.rawValue), "learning_rate": .number("0.05")]
    }
    try await compare(
      plan(smallGrid("g", changing: [("grid", ["optimizer": .array(optimizers)])])))
  }

  /// Submits a plan, and compares what the queue has taken from its texts with it.
  private func compare(_ plan: Plan) async throws {
    try await queue.submit(plan)
    for (setting, run) in plan.settings.enumerated() {
      let last = try #require(run.stages.last.map { plan.stages[$0].stage })
      let row = try await queue.value(
        "select updates || ' ' || samples from jobs.run where position = $1",
        [.integer(setting * plan.grid.seeds.count)])
      #expect(row == "\(last.startUpdates + last.updates) \(last.end)")
    }
    for seed in plan.grid.seeds.prefix(2) {
      for planned in plan.stages {
        let (stage, spec) = (planned.stage, planned.spec)
        let digest = try #require(planned.digest(seed: seed))
        let row = try #require(
          try await queue.database.query(
            """
            select start_samples, end_samples, start_updates, updates, batch, ghost, learning_rate,
              learning_rate_end, momentum, noise_scale, noise_scale_exact, epochs, law,
              dataset_digest, backend, preparation, numerics_version
            from jobs.stage where digest = $1 and seed = $2
            """, [.text(digest), .integer(seed)]
          ).first { _ in true })
        let noise = stage.noiseScale(optimizer: spec.optimizer.name)
        #expect(row["start_samples"] == "\(stage.start)" && row["end_samples"] == "\(stage.end)")
        #expect(row["start_updates"] == "\(stage.startUpdates)")
        #expect(row["updates"] == "\(stage.updates)" && row["batch"] == "\(stage.law.batch)")
        #expect(row["ghost"] == "\(stage.ghost)")
        #expect(row["learning_rate"].flatMap(Float.init) == stage.rate)
        #expect(row["learning_rate_end"].flatMap(Float.init) == stage.rateAtEnd)
        #expect(row["momentum"].flatMap(Float.init) == stage.law.momentum?.float)
        #expect(row["noise_scale"].flatMap(Double.init) == noise?.approximate)
        #expect(row["noise_scale_exact"].flatMap(Double.init) == noise?.exact)
        #expect(row["epochs"].flatMap(Double.init) == stage.epochs)
        #expect(try row["law"].map { try JSON(parsing: $0).canonical } == stage.law.json.canonical)
        #expect(row["dataset_digest"] == spec.datasetDigest)
        #expect(row["backend"] == Backend.native.rawValue)
        #expect(row["preparation"] == "\(preparationVersion)")
        #expect(row["numerics_version"] == "\(numericsVersion)")
      }
    }
    #expect(try await queue.value("select count(*) from report.contradiction") == "0")
  }

  /// Ways to put another stage under a digest that somebody else will want.
  enum Forgery: String, CaseIterable {
    case law, momentum, lawWithMore, spec, specOfAnotherDigest, otherSeed, seedInAnEnd, seedTwice
    case noPlace, parent, otherSpecInChain, startInTheMiddle, partOfAnUpdate, lawTwice, noText
  }

  @Test(arguments: Forgery.allCases) func aForgedStageIsRefused(forgery: Forgery) async throws {
    var forged = try submission(smallGrid("g"))
    func edit(_ stage: Int, _ text: String, _ other: String) {
      let before = forged.stages[stage].identity
      forged.stages[stage].identity = before.replacing(text, with: other)
      #expect(forged.stages[stage].identity != before)
    }
    let place = StageIdentity.place
    switch forgery {
    case .law:
      forged.stages[0].law = forged.stages[0].law.setting(["rate", "base"], to: "7")
    case .momentum: forged.stages[0].law = forged.stages[0].law.setting(["momentum"], to: nil)
    case .lawWithMore:
      forged.stages[0].law = forged.stages[0].law.setting(["rate", "curve"], to: nil)
    case .spec:
      let document = forged.specs[0].document.replacing("\"ghost\":32", with: "\"ghost\":16")
      forged.specs = [SubmittedSpec(try JSON(parsing: document))]
      for stage in forged.stages.indices { forged.stages[stage].spec = forged.specs[0].digest }
    case .specOfAnotherDigest: forged.stages[0].spec = Digest.sha256(of: "another")
    case .otherSeed: edit(0, "\"seed\":\(place)", "\"seed\":\(place)0")
    case .seedInAnEnd: edit(0, "\"until\":", "\"until\":\(place)")
    case .seedTwice: edit(0, "\"laws\"", "\"more\":\(place),\"laws\"")
    case .noPlace: edit(0, place, "3")
    case .parent:
      for stage in forged.stages.indices where forged.stages[stage].parent == 0 {
        edit(stage, "\"rate\":0.05", "\"rate\":0.5")
      }
    case .otherSpecInChain:
      for stage in forged.stages.indices where forged.stages[stage].parent == 0 {
        edit(stage, "\"ghost\":32", "\"ghost\":16")
      }
    case .startInTheMiddle:
      let stage = try #require(forged.stages.firstIndex { $0.parent == 0 })
      forged.stages[0].identity = forged.stages[stage].identity
      forged.stages[0].law = forged.stages[stage].law
    case .partOfAnUpdate: edit(0, "\"until\":480", "\"until\":470")
    case .lawTwice:
      let laws = try #require(
        try JSON(parsing: forged.stages[0].identity.replacing(place, with: "1"))["laws"])
      let law = try #require(laws.items?[0]["law"]?.encoded(sorted: true))
      edit(0, "\"laws\":[", "\"laws\":[{\"law\":\(law),\"until\":32},")
    case .noText: forged.stages[0].identity = ""
    }
    await #expect(throws: PostgresError.self) { _ = try await queue.submit(forged) }
    #expect(try await queue.value("select count(*) from jobs.grid") == "0")
    #expect(try await queue.value("select count(*) from jobs.stage") == "0")
  }

  /// A text may name a curve that no trainer has: its digest is its own, but nobody could train it.
  @Test(arguments: [#""shape":"sawtooth""#, #""samples":0"#, #""end":"1/0""#, #""power":"two""#])
  func aLawWithoutRatesIsRefused(member: String) async throws {
    let schedule: JSON = [
      "name": "decay", "curve": ["shape": "polynomial", "end": .number("0.1"), "power": 2],
    ]
    var forged = try submission(
      smallGrid("g", changing: [("grid", [:]), ("schedule", schedule)]))
    let key = String(member.prefix(while: { $0 != ":" }))
    let known = try Regex("\(key):(?:\"[^\"]*\"|[0-9]+)")
    let text = forged.stages[0].identity.replacing(known, with: member)
    #expect(text != forged.stages[0].identity)
    forged.stages[0].identity = text
    forged.stages[0].law = try JSON(
      parsing: forged.stages[0].law.encoded().replacing(known, with: member))
    await #expect(throws: PostgresError.self) { _ = try await queue.submit(forged) }
    #expect(try await queue.value("select count(*) from jobs.grid") == "0")
  }

  /// Digests of before name the same states: whatever changes them, such as the text of a number, trains
  /// everything again.
  @Test func digestsAreThoseOfBefore() throws {
    let schedules: [JSON] = [
      "constant", ["name": "decay", "drops": ["epochs": [1], "factor": 3]],
      [
        "name": "increase", "curve": ["shape": "cosine", "end": .number("1e-5")],
        "warm_up": ["epochs": 1],
      ],
    ]
    let plan = try plan(
      smallGrid(
        "g",
        changing: [
          ("grid", ["schedule": .array(schedules)]), ("optimizer.learning_rate", .number("1e-5")),
        ]))
    #expect(
      plan.stages.map { $0.digest(seed: 3).map { String($0.prefix(16)) } ?? "" } == [
        "32ac936611b9226c", "b54554f2897870f2", "7e256dc313c8cae5", "a27ac647338502a1",
        "e531563849e8e869", "eb6dae4534fac56f", "176fe2c759fc6515", "4a83e3d9d3791850",
        "95177c2ca2631596",
      ])
  }

  /// A digest names the state at an end, however the way there was cut.
  @Test func aStageOfAnotherCutIsReused() async throws {
    let constant: (String, JSON) = ("schedule", ["name": "constant"])
    let two = smallGrid("two", changing: [constant, ("grid", ["epochs": [2, 4]])])
    let one = smallGrid("one", changing: [constant, ("grid", [:]), ("epochs", 4)])
    #expect(try await submit(two).created == 2)
    let reply = try await submit(one)
    #expect(reply.created == 0 && reply.reused == 2)
    let other = try await DigestTests.queueWithStore()
    #expect(try await other.submit(submission(one)).created == 1)
    let second = try await other.submit(submission(two))
    #expect(second.created == 1 && second.reused == 1)
    for (queue, stages) in [(queue, "960 30, 1920 30"), (other, "960 30, 1920 60")] {
      #expect(
        try await queue.value(
          """
          select string_agg(end_samples || ' ' || updates, ', ' order by end_samples)
          from jobs.stage
          """) == stages)
      #expect(try await queue.contradictions().isEmpty)
    }
  }

  /// What somebody changes in the database afterwards.
  @Test(arguments: [
    ("update jobs.stage set law = jsonb_set(law, '{rate,base}', '\"7\"')", "its law is another"),
    ("update jobs.stage set seed = seed + 1", "not that of its text"),
    ("update jobs.stage set end_samples = end_samples + 32", "it ends elsewhere"),
    ("update jobs.stage set updates = updates - 1", "it ends elsewhere"),
    ("update jobs.spec set document = jsonb_set(document, '{ghost}', '16')", "its spec is another"),
    ("update jobs.identity set text = replace(text, '0.05', '0.5')", "not that of its text"),
    ("update jobs.stage set preparation = 0", "another version"),
    ("update jobs.stage set law = jsonb_set(law, '{rate,base}', '\"1/0\"')", "its law is another"),
    ("update jobs.stage set learning_rate = 7", "not that of its law"),
    ("update jobs.stage set learning_rate_end = 7", "not that of its law"),
    ("update jobs.stage set momentum = 0.5", "not that of its law"),
    ("update jobs.stage set noise_scale = 7", "not that of its law"),
    ("update jobs.stage set noise_scale_exact = null", "not that of its law"),
    ("update jobs.stage set ghost = 16", "its ghost batch is another"),
    (
      """
      update jobs.stage set epochs = 2 * epochs, noise_scale = noise_scale / 2
      where parent_id is not null
      """, "other samples than those of the same data"
    ),
    (
      "update jobs.stage set parent_id = 1000000 where parent_id is not null",
      "whose parent does not exist"
    ),
    (
      "update jobs.stage set start_samples = 32 where parent_id is not null", "does not begin where"
    ),
    (
      """
      update jobs.stage s set parent_id = (select min(p.id) from jobs.stage p
        where p.start_samples = 0 and p.id <> s.parent_id) where parent_id is not null
      """, "does not go on from its parent's"
    ),
  ])
  func fsckComputesDigestsAgain(change: String, complaint: String) async throws {
    try await submit(
      smallGrid("g", changing: [("grid", ["optimizer.learning_rate": [.number("0.05"), 1]])]))
    #expect(try await queue.contradictions().isEmpty)
    _ = try await queue.value(change)
    let found = try await queue.contradictions().map(\.what)
    #expect(found.contains { $0.contains(complaint) }, "\(found)")
  }

  /// An earlier version did not keep the text, and believed what came with a digest.
  @Test func stagesOfBeforeGetTheirTextOnceTheyAreWantedAgain() async throws {
    try await submit(smallGrid("a"))
    _ = try await queue.value("update jobs.stage set identity_id = null")
    _ = try await queue.value("delete from jobs.identity")
    #expect(try await queue.contradictions().isEmpty)
    let reply = try await submit(smallGrid("b"))
    #expect(reply.created == 0)
    #expect(
      try await queue.value("select count(*) from jobs.stage where identity_id is null") == "0")
    #expect(try await queue.contradictions().isEmpty)
  }

  @Test(arguments: [
    "update jobs.stage set law = jsonb_set(law, '{rate,base}', '\"7\"'), identity_id = null",
    "update jobs.stage set seed = 99, identity_id = null",
    "update jobs.spec set document = jsonb_set(document, '{ghost}', '16')",
  ])
  func aStageThatWasForgedBeforeIsNotReused(change: String) async throws {
    try await submit(smallGrid("a"))
    _ = try await queue.value(change)
    await #expect {
      try await submit(smallGrid("b"))
    } throws: {
      "\($0)".contains("of the queue is not what") || "\($0)".contains("another spec")
    }
    #expect(try await queue.value("select count(*) from jobs.grid") == "1")
  }

  /// "Nothing new" is said of the same runs alone.
  @Test func theSameFileWithOtherDataIsAnotherGrid() async throws {
    #expect(try await submit(smallGrid("g")).isUnchanged == false)
    #expect(try await submit(smallGrid("g")).isUnchanged)
    var other = try submission(smallGrid("g", changing: [("dataset.classes", 5)]))
    other.header = try submission(smallGrid("g")).header
    await #expect {
      _ = try await queue.submit(other)
    } throws: {
      "\($0)".contains("submitted from the same file, and planned otherwise")
    }
  }

  @Test func aDeletedGridLeavesNoTexts() async throws {
    try await submit(smallGrid("a"))
    try await submit(smallGrid("b", changing: [("optimizer.learning_rate", 1)]))
    _ = try await queue.value("select api.delete_grid('a')")
    #expect(
      try await queue.value(
        """
        select count(*) from jobs.identity i
        where not exists (select from jobs.stage s where s.identity_id = i.id)
        """) == "0")
    #expect(try await queue.value("select count(*) > 0 from jobs.identity") == "t")
  }
}
