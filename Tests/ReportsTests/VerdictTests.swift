import Foundation
import JobQueue
import Postgres
import Reports
import Statistics
import Tables
import TestSupport
import Testing
import Values

/// Every sentence of the verdict against the tables, over random results.
@Suite struct VerdictTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await VerdictTests.queueWithStore() }

  /// Rates by batches by seeds; each run is a single stage, which is trained to nothing.
  private func trained(seeds: Int) async throws {
    try await queue.submit(
      plan(
        smallGrid(
          "g",
          changing: [
            ("epochs", 1), ("schedule", "constant"), ("seeds", .string("1-\(seeds)")),
            (
              "grid",
              [
                "optimizer.learning_rate": [.number("0.1"), .number("0.2"), .number("0.4")],
                "batch.size": [32, 64],
              ]
            ),
          ])))
    let w = try await worker()
    while let stage = try await claim(w).first {
      let measurement = measurement(
        stage, accuracy: 0.5, loss: 1, of: 1000, commonest: 250, isAboveGuessing: true)
      let isAccepted = try await queue.finish(
        stage.lease, checkpoint: checkpoint(stage), measurements: [measurement],
        progress: progress(stage))
      #expect(isAccepted)
    }
  }

  private func report(margin: Double = 0.005) async throws -> Report {
    let grid = try await queue.grid("g")
    return Report(
      [try await GridReport(of: grid.id, grid.name, from: queue.database)],
      options: .init(margin: margin))
  }

  /// Gives each run an accuracy: its setting's, with noise of its seed and of its own.
  private func draw(_ random: inout Draws) async throws {
    let runs = try await queue.database.query(
      """
      select rs.stage_id, r.setting, r.seed from report.run_stage rs
      join report.run r on r.run_id = rs.run_id order by rs.run_id
      """)
    let (spread, noise) = (0.02 * random.uniform(), 0.006 * random.uniform() + 1e-4)
    var settings: [String: Double] = [:]
    var seeds: [String: Double] = [:]
    for row in runs {
      let (setting, seed) = (row["setting"] ?? "", row["seed"] ?? "")
      if settings[setting] == nil { settings[setting] = spread * random.uniform() }
      if seeds[seed] == nil { seeds[seed] = 0.01 * random.uniform() }
      let isLost = random.uniform() < 0.02
      let value =
        0.9 + (settings[setting] ?? 0) + (seeds[seed] ?? 0) + noise * (random.uniform() - 0.5)
      _ = try await queue.database.query(
        "update jobs.measurement set test_accuracy = $1, above_guessing = $2 where stage_id = $3",
        [.real(isLost ? 0.25 : value), .bool(!isLost), .integer(Int(row["stage_id"] ?? "") ?? 0)])
    }
  }

  @Test func everySentenceSaysWhatTheTablesHold() async throws {
    try await trained(seeds: 5)
    var random = Draws(state: 20)
    var said: [String: Int] = [:]
    for _ in 0..<24 {
      try await draw(&random)
      let report = try await report(margin: [0.002, 0.005, 0.02][Int(3 * random.uniform())])
      for sentence in report.verdict { said[check(sentence, report), default: 0] += 1 }
    }
    // All kinds have come up, and none that is not checked.
    for kind in ["best", "surely", "next", "cheaper", "equivalent", "different", "rate", "seeds"] {
      #expect(said[kind, default: 0] > 0, "\(kind): \(said)")
    }
    #expect(said["unknown"] == nil)
  }

  /// Two seeds that differ widely have intervals of any width; accuracies lie between 0 and 100 %.
  @Test func noDifferenceExceedsAHundredPoints() async throws {
    try await trained(seeds: 2)
    _ = try await queue.database.query(
      "update jobs.measurement m set test_accuracy = case when s.seed = 1 then 0.3 else 0.9 end, "
        + "above_guessing = true from jobs.stage s where s.id = m.stage_id and s.learning_rate > 0.15"
    )
    let report = try await report()
    let texts = report.verdict + [report.comparisonTable.text]
    var widest = 0.0
    for text in texts {
      for match in text.matches(of: /(-?\d+\.\d\d)(?: to |, )(-?\d+\.\d\d)/) {
        widest = max(widest, abs(Double(match.1) ?? 0), abs(Double(match.2) ?? 0))
      }
    }
    #expect(widest == 100, "\(texts)")
  }

  /// Checks a sentence and gives its kind.
  private func check(_ sentence: String, _ report: Report) -> String {
    let margin = 100 * report.options.margin
    let table = report.comparisonTable.text
    let settings = report.settings
    func near(_ a: Double?, _ b: Double?) -> Bool {
      guard let a, let b else { return false }
      return abs(a - b) < 0.0051
    }
    if let match = sentence.firstMatch(
      of:
        /is that of (.+): ([\d.]+) % \[95 % interval of the mean: ([\d.]+) to ([\d.]+)\], over (\d) of 5/
    ) {
      let setting = settings.first { $0.label == match.1 }
      let values = Summary((setting?.values ?? [:]).sorted { $0.key < $1.key }.map(\.value))
      #expect(near(Double(match.2), values.map { 100 * $0.mean }), "\(sentence)")
      let interval = values?.interval()
      #expect(near(Double(match.3), interval.map { 100 * $0.low }), "\(sentence)")
      #expect(near(Double(match.4), interval.map { min(100, 100 * $0.high) }), "\(sentence)")
      for other in settings where other.isComplete {
        let mean = other.outcomes.values?.mean ?? 0
        #expect(mean <= (values?.mean ?? 0) + 1e-12, "\(other.label) is higher: \(sentence)")
      }
      let isHigher = settings.contains { other in
        (other.outcomes.values?.n ?? 0) > 1
          && (other.outcomes.values?.mean ?? 0) > (values?.mean ?? 0) + 1e-12
      }
      #expect(isHigher == sentence.hasPrefix("Among settings"), "\(sentence)")
      return "best"
    }
    if let match = sentence.firstMatch(
      of:
        /Its difference from (.+), the next, is ([-\d.]+) points \[simultaneous 95 % interval over all (\d+) pairs: ([-\d.]+) to ([-\d.]+)\]; the interval (is above|holds|is below) 0/
    ) {
      let best = report.bests.first.map { settings[$0.place] }
      let next = settings.first { $0.label == match.1 }
      guard
        let pair = try? PairedComparison(best?.values ?? [:], minus: next?.values ?? [:]),
        let pairs = Double(match.3), let estimate = pair.estimate
      else {
        Issue.record("no pairs behind: \(sentence)")
        return "unknown"
      }
      let interval = estimate.interval(confidence: 1 - 0.05 / pairs)
      #expect(near(Double(match.2), 100 * pair.differences.mean), "\(sentence)")
      #expect(near(Double(match.4), 100 * interval.low), "\(sentence)")
      #expect(near(Double(match.5), 100 * interval.high), "\(sentence)")
      if let lower = sentence.firstMatch(of: /with it, (\d+) are surely lower/) {
        #expect(Int(lower.1) == report.bests.first?.rivals.count { $0.isLower }, "\(sentence)")
      }
      let surely = sentence.contains("surely higher")
      #expect(surely == (interval.low > 0) && surely == (match.6 == "is above"), "\(sentence)")
      return surely ? "surely" : "next"
    }
    if sentence.hasPrefix("With fewer updates") {
      let best = report.bests.first.map { settings[$0.place].updates } ?? 0
      for match in sentence.matches(
        of:
          /in (\d+) updates, [\d.]+ times fewer \(difference [-\d.]+ points \[90 % interval: ([-\d.]+) to/
      ) {
        #expect((Int(match.1) ?? .max) < best, "\(sentence)")
        #expect((Double(match.2) ?? -.infinity) > -margin - 0.0051, "\(sentence)")
      }
      return "cheaper"
    }
    if sentence.hasPrefix("No setting with fewer updates") {
      #expect(report.bests.first?.cheaper.isEmpty == true)
      return "none cheaper"
    }
    if sentence.hasPrefix("All of these are equivalent") {
      // A group whose rows all say so.
      let isThere = report.groups.contains { group in
        let rows = report.comparisons.filter { group.arms.contains($0.subject) }
        return !rows.isEmpty && rows.allSatisfy { $0.isEquivalent == true }
      }
      #expect(isThere && table.contains(" yes "), "\(sentence)\n\(table)")
      return "equivalent"
    }
    if let match = sentence.firstMatch(
      of:
        /^They are not all equivalent .* is ([-\d.]+) points \[simultaneous 95 % interval over \d+ pairs: ([-\d.]+) to ([-\d.]+)\], wholly outside/
    ) {
      let (low, high) = (Double(match.2) ?? 0, Double(match.3) ?? 0)
      #expect(low > margin - 0.0051 || high < -margin + 0.0051, "\(sentence)")
      // The table has the same interval, and says the same.
      let row = table.split(separator: "\n").first { $0.contains("[\(match.2), \(match.3)]") }
      #expect(row?.contains(" no ") == true, "\(sentence)\n\(table)")
      return "different"
    }
    if sentence.hasPrefix("That all of these are equivalent") {
      #expect(table.contains("not shown"), "\(sentence)")
      return "not shown"
    }
    if let match = sentence.firstMatch(
      of: /is inferior \[90 % interval of the difference: [-\d.]+ to ([-\d.]+) points\]/)
    {
      #expect((Double(match.1) ?? .infinity) < -margin + 0.0051, "\(sentence)")
      return "rate"
    }
    if let match = sentence.firstMatch(
      of: /is not inferior is not shown \[90 % interval of the difference: ([-\d.]+) to ([-\d.]+)/)
    {
      #expect((Double(match.1) ?? .infinity) <= -margin + 0.0051, "\(sentence)")
      #expect((Double(match.2) ?? -.infinity) >= -margin - 0.0051, "\(sentence)")
      return "rate"
    }
    if sentence.contains("does not break in this sweep") { return "rate" }
    if sentence.contains("collapsed or diverged; compared with") {
      #expect(settings.contains { $0.outcomes.collapsed > 0 }, "\(sentence)")
      return "rate"
    }
    if sentence.hasPrefix("At learning_rate=") {
      for match in sentence.matches(
        of: /(\d+) ([\d.]+) % \[95 % interval: ([\d.]+) to ([\d.]+)\] \((\d) of 5/)
      {
        let range = "[\(match.3), \(match.4)]"
        #expect(report.settingTable().text.contains("\(match.2) \(range)"), "\(sentence)")
      }
      return "arms"
    }
    if sentence.contains("is not tested: of ") || sentence.contains("for want of")
      || sentence.contains("where it breaks is not known")
    {
      return "refused"
    }
    if sentence.contains("A mean over survivors is not compared") { return "left out" }
    if sentence.hasPrefix("Differences at one seed scatter") { return "seeds" }
    if sentence.hasPrefix("The margin, within which") { return "margin" }
    Issue.record("a sentence that is not checked: \(sentence)")
    return "unknown"
  }

  @Test func withOneSeedItSaysOnceThatNothingCanBeInferred() async throws {
    try await trained(seeds: 1)
    let text = try await report().text
    #expect(text.components(separatedBy: "nothing can be inferred").count == 2)
    for words in ["Not compared", "not tested", "surely", "is not known"] {
      #expect(!text.contains(words), "\(words)")
    }
  }

  @Test func theDefaultMarginIsHalfAPointAndThePageSaysSo() async throws {
    try await trained(seeds: 2)
    let report = try await report()
    #expect(report.options.margin == 0.005)
    #expect(
      report.page(figures: [], madeBy: "test").contains(
        "is 0.5 points; that is the default, and --margin states another"))
    #expect(try await self.report(margin: 0.01).text.contains("it was stated by --margin"))
  }

  @Test func timesAreComparedOnlyWhereEachStageHadItsMachineAlone() async throws {
    try await trained(seeds: 2)
    let names = try await report().figures.map(\.name)
    #expect(names.contains("final-accuracy-by-seconds"))
    // Two attempts beside each other.
    _ = try await queue.value(
      """
      update jobs.attempt set claimed_at = claimed_at - interval '10 s'
      where stage_id in (select id from jobs.stage order by id limit 2)
      """)
    let shared = try await report()
    #expect(!shared.figures.contains { $0.name.contains("seconds") })
    let caption = shared.figures.first { $0.name == "final-accuracy-by-updates" }?.caption ?? ""
    #expect(caption.contains("the machine was shared"))
    #expect(shared.notes.contains { $0.contains("Seconds are not compared") })
  }

  @Test func aRateIsFoundByTheNumberThatPeopleWrite() async throws {
    try await trained(seeds: 1)
    let views = try await queue.database.query(
      """
      select table_name from information_schema.columns
      where table_schema = 'report' and column_name = 'learning_rate'
      """
    ).compactMap { $0["table_name"] }
    #expect(views.count >= 6)
    for view in views {
      let count = try await queue.value(
        "select count(*) from report.\(view) where learning_rate = 0.1")
      #expect(count != "0", "\(view)")
    }
  }
}

/// Draws in [0, 1): splitmix64.
private struct Draws {
  var state: UInt64

  mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
  }
}
