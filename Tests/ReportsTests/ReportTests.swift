import Foundation
import JobQueue
import Postgres
import Reports
import Statistics
import TestSupport
import Testing
import Values

/// Reports of grids whose runs ended in every way there is, worked off by a worker that trains nothing.
@Suite struct ReportTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await ReportTests.queueWithStore() }

  /// Two rates of two schedules over seeds, each run a single stage.
  private func grid(_ name: String, seeds: ClosedRange<Int> = 1...4) -> JSON {
    smallGrid(
      name,
      changing: [
        ("grid", ["optimizer.learning_rate": [.number("0.1"), .number("0.2")]]), ("epochs", 1),
        ("schedule", "constant"), ("seeds", .array(seeds.map(JSON.integer))),
      ])
  }

  private func measurement(
    _ stage: ClaimedStage, at samples: Int, accuracy: Double, loss: Double
  ) -> MeasurementRow {
    let guessing = Guessing(samples: 96, commonest: 24)
    return measurement(
      stage, at: samples, accuracy: accuracy, loss: loss, of: 96, commonest: 24,
      isAboveGuessing: guessing.isBelow(Int((96 * accuracy).rounded())))
  }

  private func finish(_ stage: ClaimedStage, accuracy: Double, loss: Double = 0.5) async throws {
    let isAccepted = try await queue.finish(
      stage.lease, checkpoint: checkpoint(stage),
      measurements: [stage.end / 2, stage.end].map {
        measurement(stage, at: $0, accuracy: accuracy, loss: loss)
      }, progress: progress(stage))
    #expect(isAccepted)
  }

  private func report(_ grids: [String], margin: Double = 0.005) async throws -> Report {
    var loaded: [GridReport] = []
    for grid in grids {
      let grid = try await queue.grid(grid)
      loaded.append(try await GridReport(of: grid.id, grid.name, from: queue.database))
    }
    return Report(loaded, options: .init(margin: margin))
  }

  @Test func everyRunIsAccountedFor() async throws {
    try await queue.submit(plan(grid("g")))
    let w = try await worker()
    _ = try await queue.cancel(grid: "g", run: "learning_rate=0.2,seed=4")
    for round in 0..<6 {
      let stage = try #require(try await claim(w).first)
      switch round {
      case 0, 1: try await finish(stage, accuracy: 0.8 + 0.1 * Double(round))
      // One of four classes, by a loss that says nothing of it.
      case 2: try await finish(stage, accuracy: 0.25, loss: 1.2)
      case 3:
        #expect(
          try await queue.diverge(
            stage.lease, reason: "loss", measurements: [], progress: progress(stage)))
      case 4:
        #expect(
          try await queue.fail(
            stage.lease, reason: "broken", permanent: true, progress: progress(stage)))
      default: break
      }
    }
    let report = try await report(["g"])
    let labels: [String] = report.settings.map { $0.label }
    #expect(labels == ["learning_rate=0.1", "learning_rate=0.2"])
    let first = report.settings[0].outcomes
    #expect(first.finished == 2 && first.collapsed == 1 && first.diverged == 1)
    let values = try #require(first.values)
    #expect(values.n == 2 && abs(values.mean - 0.85) < 1e-12)
    let second = report.settings[1].outcomes
    // One failed, one is still being trained, one waits, one was cancelled.
    #expect(second.failed == 1 && second.missing == 3 && second.finished == 0)
    #expect(second.values == nil)
    #expect(report.settings.reduce(0) { $0 + $1.runs.count } == 8)
    let text = report.text
    for words in [
      "2 of 4 (1 collapsed, 1 diverged)", "0 of 4 (1 failed, 3 missing)",
      "3 runs are missing", "85.00 [21.47, 100.00]", "8 runs: 2 finished, 1 collapsed, 1 diverged",
    ] {
      #expect(text.contains(words), "\(words)")
    }
    let counts = try await queue.database.query(
      """
      select runs, finished, collapsed, diverged, failed, missing from report.setting
      order by position
      """)
    let numbers: [[Int]] = counts.map { row in row.values.compactMap { Int($0 ?? "") } }
    #expect(numbers == [[4, 2, 1, 1, 0, 0], [4, 0, 0, 0, 1, 3]])
  }

  @Test func equivalenceIsNotClaimedOfThoseThatSurvived() async throws {
    try await queue.submit(plan(grid("a", seeds: 1...3)))
    try await queue.submit(plan(grid("b", seeds: 1...3).setting(["epochs"], to: 2)))
    let w = try await worker()
    var round = 0
    while let stage = try await claim(w).first {
      // The last run of all diverges.
      if round == 11 {
        _ = try await queue.diverge(
          stage.lease, reason: "loss", measurements: [], progress: progress(stage))
      } else {
        try await finish(stage, accuracy: 0.9 + 0.001 * Double(round % 3))
      }
      round += 1
    }
    #expect(round == 12)
    let report = try await report(["a", "b"], margin: 0.01)
    let results = report.groups.compactMap(\.equivalence)
    #expect(results.count == 2)
    #expect(report.text.contains("only 2 of 3 (1 diverged) runs trained"))
    #expect(report.text.contains("not tested"))
  }

  @Test func settingsAreComparedInPairsBySeed() async throws {
    try await queue.submit(plan(grid("g")))
    let w = try await worker()
    // Rate .1 first, seeds 1 to 4, then .2.
    for accuracy in [0.80, 0.82, 0.84, 0.86, 0.81, 0.835, 0.85, 0.875] {
      try await finish(try #require(try await claim(w).first), accuracy: accuracy)
    }
    let report = try await report(["g"], margin: 0.05)
    #expect(report.axis == nil)
    let line = try #require(report.breaks.first)
    guard case .success(let found) = line.result else {
      Issue.record("the rates can be compared")
      return
    }
    #expect(found.chosen == 0.2.asFloat && found.end == nil && found.selection == .test)
  }

  @Test func gridsThatShareNothingAreComparedUnpairedAndOthersInPairs() async throws {
    try await queue.submit(plan(grid("a", seeds: 1...3)))
    try await queue.submit(plan(grid("b", seeds: 11...13)))
    try await queue.submit(plan(grid("c", seeds: 3...3)))
    let w = try await worker()
    var accuracy = 0.8
    while let stage = try await claim(w).first {
      try await finish(stage, accuracy: accuracy)
      accuracy += 0.01
    }
    let apart = try await report(["a", "b"], margin: 0.01)
    #expect(apart.groups.map(\.axis) == ["grid", "grid"] && apart.comparisons.count == 2)
    for comparison in apart.comparisons {
      guard case .success(.unpaired(let test)) = comparison.test else {
        Issue.record("seeds 1 to 3 and 11 to 13 have nothing in common")
        continue
      }
      #expect(abs(test.difference - 0.06) < 1e-9)
    }
    // One seed in common is too few for pairs, and one too many for anything else.
    for comparison in try await report(["a", "c"]).comparisons {
      guard case .failure(let reason) = comparison.test else {
        Issue.record("a shared seed must not be compared unpaired")
        continue
      }
      #expect(reason.description.contains("needs 2 seeds"))
    }
    let text = try await report(["a", "c"]).text
    #expect(text.contains("Not compared: a paired comparison needs 2 seeds"))
  }

  @Test func settingsAreComparedByCostWhereOnlyTheirLastBatchesDiffer() async throws {
    try await queue.submit(plan(grid("g")))
    let w = try await worker()
    for _ in 0..<8 { try await finish(try #require(try await claim(w).first), accuracy: 0.9) }
    _ = try await queue.value(
      "update jobs.run set samples = samples + 4 where learning_rate > 0.15")
    let report = try await report(["g"])
    let budget = try #require(report.budgets.first)
    #expect(report.budgets.count == 1 && budget.samples == 480...484)
    #expect(budget.settings.count == 2)
    #expect(report.figures.contains { $0.name == "final-accuracy-by-updates" })
    _ = try await queue.value("update jobs.run set samples = 960 where learning_rate > 0.15")
    #expect(try await self.report(["g"]).budgets.count == 2)
  }

  @Test func runsThatDidNotTrainAreNotInTheCurvesOfThoseThatDid() async throws {
    try await queue.submit(plan(grid("g")))
    let w = try await worker()
    for round in 0..<8 {
      // One of the first rate collapses, and all of the second.
      let isLost = round == 2 || round > 3
      try await finish(
        try #require(try await claim(w).first), accuracy: isLost ? 0.25 : 0.9,
        loss: isLost ? 1.4 : 0.5)
    }
    let settings = try await report(["g"]).settings
    #expect(settings[0].outcomes.collapsed == 1 && settings[1].outcomes.collapsed == 4)
    #expect(settings[0].curve.map(\.runs) == [3, 3])
    #expect(settings[0].curve.allSatisfy { abs(($0.testAccuracy.mean ?? 0) - 0.9) < 1e-6 })
    #expect(settings[1].curve.map(\.runs) == [4, 4])
  }

  @Test func accuraciesOnDifferentDataAreNotCompared() async throws {
    try await queue.submit(plan(grid("a")))
    try await queue.submit(plan(grid("b").setting(["dataset", "noise"], to: 2)))
    let w = try await worker()
    while let stage = try await claim(w).first { try await finish(stage, accuracy: 0.9) }
    let report = try await report(["a", "b"], margin: 0.01)
    #expect(report.settings.count == 4 && report.comparisons.isEmpty)
    #expect(report.text.contains("Settings on different data are not compared"))
    #expect(report.text.contains("No setting of one grid has a counterpart"))
  }

  @Test func theSameTrainingUnderTwoNamesIsNotTested() async throws {
    // The largest batch is reached at the first drop, so hybrid and increase are one.
    try await queue.submit(
      plan(smallGrid("g", changing: [("batch.maximum", 160), ("seeds", [1, 2, 3])])))
    let w = try await worker()
    var round = 0.0
    while let stage = try await claim(w).first {
      try await finish(stage, accuracy: 0.8 + 0.001 * round)
      round += 1
    }
    let report = try await report(["g"], margin: 0.05)
    #expect(report.verdict.contains { $0.contains("increase is the same as hybrid") })
    let group = try #require(report.groups.first)
    guard case .success(let test) = group.equivalence else {
      Issue.record("decay and hybrid can be tested")
      return
    }
    #expect(group.arms.count == 3 && test.all.tests.count == 1)
    #expect(report.text.contains("both sides are the same 3 runs"))
  }

  @Test func schedulesAreComparedWithinEachGridAndGridsWhereTheyAgree() async throws {
    let schedules: JSON = ["schedule.name": ["decay", "increase"]]
    for (name, optimizer) in [("a", "momentum"), ("b", "nesterov"), ("c", "momentum")] {
      try await queue.submit(
        plan(
          smallGrid(
            name,
            changing: [
              ("grid", schedules), ("seeds", [1, 2, 3]), ("optimizer.name", .string(optimizer)),
              ("epochs", name == "c" ? 6 : 3),
            ])))
    }
    let w = try await worker()
    var round = 0.0
    while let stage = try await claim(w).first {
      try await finish(stage, accuracy: 0.8 + 0.001 * round)
      round += 1
    }
    let report = try await report(["a", "b", "c"], margin: 0.05)
    let axes = report.groups.map { "\($0.axis) \($0.arms.count)" }
    // Two schedules in each grid; each schedule over three grids, which name no optimizer.
    #expect(axes == ["schedule 2", "schedule 2", "schedule 2", "grid 3", "grid 3"])
  }

  @Test func memoryIsAStagesOwnWhereAWorkerHasOneSlot() async throws {
    try await queue.submit(plan(grid("g", seeds: 1...1)))
    let (one, four) = (try await worker("one"), try await worker("four"))
    _ = try await queue.value("update jobs.worker set slots = 1 where name = 'one'")
    for w in [one, four] { try await finish(try #require(try await claim(w).first), accuracy: 0.9) }
    _ = try await queue.value("update jobs.attempt set peak_memory_bytes = 5 << 20")
    let report = try await report(["g"])
    #expect(report.settings.flatMap(\.stages).map(\.memoryMeasured) == [5 << 20, nil])
    // As planned, for both.
    #expect(report.settings.flatMap(\.stages).allSatisfy { $0.memory > 0 })
  }

  @Test func aPageHoldsItsFiguresAndNoTextThatCouldBeATag() async throws {
    try await queue.submit(plan(grid("g")))
    let w = try await worker()
    for _ in 0..<8 { try await finish(try #require(try await claim(w).first), accuracy: 0.9) }
    let report = try await report(["g"], margin: 0.01)
    let folder = try TemporaryFolder()
    // A figure of an earlier report goes, and what is somebody else's stays.
    try #"{"figures": ["accuracy-by-moonlight"]}"#.write(
      toFile: folder.path + "/report.json", atomically: true, encoding: .utf8)
    for name in ["accuracy-by-moonlight", "mine"] {
      try "".write(toFile: "\(folder.path)/\(name).svg", atomically: true, encoding: .utf8)
    }
    let count = try await report.write(to: folder.path, madeBy: "<test>")
    let files = Set(try FileManager.default.contentsOfDirectory(atPath: folder.path))
    #expect(count == files.count { $0.hasSuffix(".svg") } - 1)
    #expect(
      files.isSuperset(of: ["accuracy-by-learning-rate.svg", "batch-by-epoch.svg", "mine.svg"]))
    #expect(!files.contains("accuracy-by-moonlight.svg"))
    let page = try String(contentsOfFile: folder.path + "/report.html", encoding: .utf8)
    #expect(page.contains("data:image/svg+xml;base64,") && page.contains("&lt;test&gt;"))
    #expect(!page.contains("<test>") && !page.contains("http"))
    for section in ["Verdict", "Settings", "Figures", "Work", "Where it comes from"] {
      #expect(page.contains("<h2>\(section)</h2>"))
    }
  }
}

extension Double {
  /// As the database has it, in single precision.
  fileprivate var asFloat: Double { Double("\(Float(self))") ?? self }
}
