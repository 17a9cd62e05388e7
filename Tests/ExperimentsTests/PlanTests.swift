import Experiments
import Foundation
import TestSupport
import Testing
import Values

func plan(example name: String, changing changes: [(String, JSON)] = []) throws -> Plan {
  let text = try String(
    contentsOf: repository.appending(path: "examples/\(name).json"), encoding: .utf8)
  var document = try JSON(parsing: text)
  for (path, value) in changes {
    document = document.setting(path.split(separator: ".").map(String.init)[...], to: value)
  }
  return try plan(document)
}

/// Updates of each stage as its own run would have them, by the run's name.
private func updates(_ plan: Plan) -> [String: [Int]] {
  var table: [String: [Int]] = [:]
  for run in plan.settings {
    // Adjacent stages of one law were cut for sharing only; the paper's tables count phases.
    var phases: [(Law, Int)] = []
    for stage in plan.stages(of: run) {
      if let last = phases.last, last.0 == stage.law {
        phases[phases.count - 1].1 += stage.updates
      } else {
        phases.append((stage.law, stage.updates))
      }
    }
    table[Setting.runName(run.setting.name, seed: "1")] = phases.map(\.1)
  }
  return table
}

@Suite struct PlanTests {
  @Test func section51HasThePapersUpdateCounts() throws {
    let table = updates(try plan(example: "section-5.1"))
    #expect(table.count == 12)
    for (name, rate) in [
      ("momentum", "0.1"), ("nesterov", "0.1"), ("sgd", "0.1"), ("adam", "0.001"),
    ] {
      func run(_ schedule: String) -> [Int]? {
        table["optimizer=\(name),learning_rate=\(rate),schedule=\(schedule),seed=1"]
      }
      #expect(run("decay") == [23_438, 23_437, 15_625, 15_625])
      #expect(run("hybrid") == [23_438, 4_688, 3_125, 3_125])
      #expect(run("increase") == [23_438, 4_688, 625, 125])
    }
  }

  @Test func section51TrainsSharedPrefixesOnce() throws {
    let totals = try plan(example: "section-5.1").totals
    #expect(totals.epochs.rounded() == 2400)
    #expect((totals.uniqueEpochs / 4).rounded() == 420)
  }

  @Test func runsThatShareNothingTrainEveryStageThemselves() throws {
    let shared = try plan(example: "lr-sweep").totals
    let alone = try plan(example: "lr-sweep", changing: [("share_stages", false)]).totals
    #expect(shared.stages == alone.stages && shared.updates == alone.updates)
    #expect(shared.uniqueStages < shared.stages && alone.uniqueStages == alone.stages)
    #expect(alone.uniqueUpdates == alone.updates)
  }

  @Test func section52HasThePapersUpdateCounts() throws {
    let table = updates(try plan(example: "section-5.2"))
    #expect(table["variant=original,seed=1"] == [23_438, 23_437, 15_625, 15_625])
    #expect(table["variant=increasing-batch,seed=1"] == [23_438, 4_688, 625, 391])
    #expect(table["variant=increased-learning-rate,seed=1"] == [4_688, 938, 391, 390])
    #expect(table["variant=increased-momentum,seed=1"] == [938, 586, 391, 390])
  }

  @Test func section52HasThePapersRatesAndBatches() throws {
    let plan = try plan(example: "section-5.2")
    func rows(_ name: String) throws -> [(Int, Float)] {
      let run = try #require(plan.settings.first { $0.setting.variant == name })
      return plan.stages(of: run).map { ($0.law.batch, $0.rate) }
    }
    func expect(_ name: String, _ batches: [Int], _ rates: [Float]) throws {
      let rows = try rows(name)
      #expect(rows.map(\.0) == batches)
      #expect(rows.map(\.1) == rates)
    }
    try expect("increasing-batch", [128, 640, 3200, 5120], [0.1, 0.1, 0.1, 0.032])
    try expect("increased-learning-rate", [640, 3200, 5120, 5120], [0.5, 0.5, 0.16, 0.032])
    try expect("increased-momentum", [3200, 5120, 5120, 5120], [0.5, 0.16, 0.032, 0.0064])
  }

  @Test func allRowsOfSection52StartAtTheSameNoiseScale() throws {
    let plan = try plan(example: "section-5.2")
    for run in plan.settings {
      let noise = try #require(plan.stages(of: run)[0].noiseScale(optimizer: .momentum))
      #expect(abs(noise.approximate - 390.625) < 1e-9)
    }
  }

  @Test(arguments: [
    ("section-5.1", "optimizer=momentum,learning_rate=0.1,schedule=decay,seed=1", 80_000),
    ("section-5.1", "optimizer=momentum,learning_rate=0.1,schedule=hybrid,seed=1", 34_751),
    ("section-5.1", "optimizer=momentum,learning_rate=0.1,schedule=increase,seed=1", 28_891),
    ("section-5.2", "variant=increasing-batch,seed=1", 29_189),
    ("section-5.2", "variant=increased-learning-rate,seed=1", 6_454),
    ("section-5.2", "variant=increased-momentum,seed=1", 2_352),
  ])
  func theFiguresEndAt2048Epochs(example: String, run: String, total: Int) throws {
    let table = updates(try plan(example: example, changing: [("epochs", .number("204.8"))]))
    #expect(table[run]?.reduce(0, +) == total)
  }

  @Test func section53HasThePapersUpdateCounts() throws {
    let table = updates(try plan(example: "section-5.3")).mapValues { $0.reduce(0, +) }
    #expect(table["variant=decay-0.9,seed=1"] == 14_076)
    #expect(table["variant=increase-0.9,seed=1"] == 5_631)
    #expect(table["variant=momentum-0.9,seed=1"] == 5_865)
    #expect(table["variant=momentum-0.95,seed=1"] == 3_519)
    #expect(table["variant=momentum-0.975,seed=1"] == 2_346)
  }

  @Test func section54HasThePapersUpdateCount() throws {
    #expect(updates(try plan(example: "section-5.4"))["seed=1"]?.reduce(0, +) == 9_384)
  }

  @Test func theSweepSharesAThirdOfItsEpochs() throws {
    let totals = try plan(example: "lr-sweep").totals
    #expect(totals.runs == 18)
    #expect(abs(totals.epochs - 108) < 0.5)
    #expect(abs(totals.uniqueEpochs - 72) < 0.5)
  }

  @Test func theScaledSweepHoldsTheNoiseScale() throws {
    let plan = try plan(example: "lr-sweep-scaled")
    for run in plan.settings {
      let first = plan.stages(of: run)[0]
      let rate = run.setting.spec.learningRate
      #expect(first.law.batch == (rate.double * 1280).rounded().exactInt)
      #expect(try #require(first.noiseScale(optimizer: .momentum)).approximate.rounded() == 469)
    }
  }

  @Test func constantBatchesPlanCeilingOfSamplesOverBatch() throws {
    let plan = try plan(example: "constant-batch")
    #expect(plan.settings.count == 28)
    for run in plan.settings {
      let stages = plan.stages(of: run)
      #expect(stages.count == 1)
      #expect(stages[0].updates == (360_000 + stages[0].law.batch - 1) / stages[0].law.batch)
    }
  }

  @Test func dividingTwiceIsDividingByTheProduct() throws {
    let fifth = try #require(Rational("0.5")?.dividing(by: Rational(5))?.dividing(by: Rational(5)))
    #expect(fifth == Rational("0.5")?.dividing(by: Rational(25)))
    #expect(fifth.float == Float(0.02))
  }

  @Test func stagesAreCutWhereRunsOfDifferentLengthPart() throws {
    let plan = try plan([
      "name": "lengths", "dataset": "fashion-mnist", "network": "cnn", "epochs": 1,
      "optimizer": ["name": "sgd", "learning_rate": .number("0.1")], "batch": ["size": 128],
      "schedule": "constant", "grid": ["epochs": [1, 2, 3]],
    ])
    #expect(plan.settings.map { $0.stages.count } == [1, 2, 3])
    #expect(plan.stages.count == 3)
    #expect(plan.stages.map(\.parent) == [nil, 0, 1])
  }

  @Test func aDigestDoesNotDependOnHowTheWayWasCut() throws {
    func last(_ epochs: JSON) throws -> String? {
      try plan([
        "name": "cuts", "dataset": "fashion-mnist", "network": "cnn", "epochs": 2,
        "optimizer": ["name": "sgd", "learning_rate": .number("0.1")], "batch": ["size": 128],
        "schedule": "constant", "grid": ["epochs": epochs],
      ]).stages.last?.digest(seed: 1)
    }
    #expect(try last([2]) == last([1, 2]))
    #expect(try last([2]) != last([1]))
  }

  @Test func aCosinePaidByTheBatchFollowsTheCurve() throws {
    let plan = try plan([
      "name": "cosine", "dataset": "fashion-mnist", "network": "cnn", "epochs": 30,
      "optimizer": ["name": "momentum", "learning_rate": .number("0.1")],
      "batch": ["size": 128, "ghost": 128, "maximum": 2048],
      "schedule": ["name": "increase", "curve": ["shape": "cosine"]],
    ])
    let stages = plan.stages(of: plan.settings[0])
    #expect(stages.map(\.law.batch) == [128, 256, 512, 1024, 2048])
    for stage in stages {
      let t = Double(stage.start) / 1_800_000
      let curve = (1 + cos(Double.pi * t)) / 2
      let noise = try #require(stage.noiseScale(optimizer: .momentum)).approximate
      #expect(abs(noise / 468.75 - curve) < 1e-6)
    }
  }
}

extension Double {
  fileprivate var exactInt: Int? { Int(exactly: self) }
}
