import Experiments
import JobQueue
import Postgres
import Reports
import TestSupport
import Testing
import Values

/// Figures of the plan against the rates that train.
@Suite struct ScheduleFigureTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await ScheduleFigureTests.queueWithStore() }

  private let curve: JSON = [
    "name": "increase", "curve": ["shape": "cosine", "end": .number("0.001")],
    "warm_up": ["epochs": 1],
  ]

  @Test(arguments: ["decay", "increase"])
  func pointsAreTheTrainersRatesAndTheAxisEndsWithTheRun(schedule: String) async throws {
    let plan = try plan(
      smallGrid(
        "g",
        changing: [
          ("schedule", curve.setting(["name"], to: .string(schedule))), ("epochs", 8),
          ("grid", [:]),
        ]))
    try await queue.submit(plan)
    let report = Report(
      [try await GridReport(of: try await queue.grid("g").id, "g", from: queue.database)],
      options: .init())
    let stages = plan.stages(of: plan.settings[0])
    let samplesPerEpoch = Double(stages[0].samplesPerEpoch)
    func figure(_ name: String) throws -> Figure {
      try #require(report.figures.first { $0.name == name })
    }
    let rates = try figure("learning-rate-by-epoch")
    let points = rates.series[0].rows
    #expect(points.count > 50)
    for point in points.dropLast() {
      let sample = Int((point[0] * samplesPerEpoch).rounded())
      // The update that this sample begins, or at a stage's end the last one before it.
      let stage = stages.first { ($0.start..<$0.end).contains(sample) } ?? stages[stages.count - 1]
      let before = stages.first { $0.end == sample }
      let trained = [
        stage.law.rate.value(at: sample),
        before.map { $0.law.rate.value(at: $0.end - $0.law.batch) },
      ].compactMap { $0 }.map(Double.init)
      #expect(trained.contains(point[1]), "at \(point)")
      #expect((sample - stage.start).isMultiple(of: stage.law.batch) || before != nil)
    }
    // The warm-up rises, and the middle of the cosine is half way down.
    let rising = points.prefix { $0[0] < 0.99 }.map { $0[1] }
    #expect(rising.count > 5 && rising == rising.sorted())
    if schedule == "decay" {
      let middle = points.min { abs($0[0] - 4) < abs($1[0] - 4) }?[1] ?? 0
      #expect(abs(middle / 0.05 - 0.5) < 0.02)
    }
    let end = Double(stages[stages.count - 1].end) / samplesPerEpoch
    #expect(rates.options.contains("set xrange [0:\(end)]"))
    // g = eN/(B(1-m)), of the same rates.
    let noise = try figure("noise-scale-by-epoch").series[0].rows
    for (rate, scale) in zip(points, noise) {
      let stage = stages.last { Double($0.start) <= rate[0] * samplesPerEpoch + 0.5 } ?? stages[0]
      guard rate[0] * samplesPerEpoch < Double(stage.end) - 0.5, rate[0] == scale[0] else {
        continue
      }
      let planned = NoiseScale(
        rate: rate[1], samples: stage.samplesPerEpoch, batch: stage.law.batch, momentum: 0.9
      ).approximate
      #expect(
        abs(scale[1] / planned - 1) < 1e-5
          || stages.contains { Double($0.end) == (rate[0] * samplesPerEpoch).rounded() })
    }
  }
}
