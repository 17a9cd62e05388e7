import Statistics
import Tables
import Values

/// Runs that differ in the seed alone, and what came of them.
package struct SettingResult: Sendable {
  package let grid: String
  /// As in its grid: "learning_rate=0.1,schedule=decay"; empty where a grid has no axis but the seed.
  package let name: String
  /// The axes' values in file order; the grid first, where there are several.
  package let labels: [(key: String, value: String)]
  package let runs: [GridReport.RunRow]
  package let outcomes: OutcomeSummary
  /// Of the mean final test accuracy of the runs that trained; nil for fewer than two.
  package let accuracy: Interval?
  /// Why there is no interval, where the method asked for has a reason.
  package let refusal: StatisticsError?
  package let curve: [GridReport.CurvePoint]
  package let stages: [GridReport.StageRow]
  /// Digest of the data that the runs train on and are measured on.
  package let dataset: String
  /// The last stage of each seed's run: settings that agree in them are the same training.
  private let ends: [Int: Int]

  /// `keys` are the labels of all grids, where there are several.
  init(
    _ name: String, _ runs: [GridReport.RunRow], of grid: GridReport, filling keys: [String]?,
    interval: Report.IntervalMethod
  ) {
    self.grid = grid.name
    self.name = name
    self.runs = runs
    outcomes = OutcomeSummary(runs.map(\.outcome))
    let own = SettingResult.labels(of: runs.first)
    labels =
      keys.map { keys in
        [(key: "grid", value: grid.name)]
          + keys.compactMap { key in
            (own.first { $0.key == key }?.value ?? SettingResult.known(key, of: runs.first))
              .map { (key: key, value: $0) }
          }
      } ?? own
    switch interval {
    case .student: (accuracy, refusal) = (outcomes.values?.interval()?.ofShares, nil)
    case .bootstrap:
      let (found, reason) = SettingResult.bootstrapped(runs.compactMap(\.outcome.value))
      (accuracy, refusal) = (found?.ofShares, reason)
    }
    curve = grid.curves[name] ?? []
    stages = grid.stages[name] ?? []
    dataset = runs.first.flatMap { grid.runDatasets[$0.id] } ?? ""
    ends = Dictionary(
      runs.compactMap { run in grid.runStages[run.id]?.last.map { (run.seed, $0) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// What another grid names in its labels, and this one has once for all.
  private static func known(_ key: String, of run: GridReport.RunRow?) -> String? {
    switch key {
    case "schedule": run?.schedule
    case "optimizer": run?.optimizer
    case "learning_rate": run.map { JSON.text(of: $0.learningRate) }
    default: nil
    }
  }

  private static func bootstrapped(_ values: [Double]) -> (Interval?, StatisticsError?) {
    do throws(StatisticsError) {
      return (try Bootstrap(values, seed: 1).interval(), nil)
    } catch {
      return (nil, error)
    }
  }

  /// The database forgets the order of labels; the name of the run remembers it.
  static func labels(of run: GridReport.RunRow?) -> [(key: String, value: String)] {
    guard let run else { return [] }
    let name = "," + run.name
    func place(_ key: String) -> String.Index {
      name.firstRange(of: ",\(key)=")?.lowerBound ?? name.endIndex
    }
    return (run.labels.members ?? []).filter { $0.key != "seed" }
      .sorted { place($0.key) < place($1.key) }
      .map { member in
        // A number has one text, however a grid file spells it: settings of several grids are compared by it.
        let value = member.value
        return (
          member.key,
          value.stringValue ?? value["name"]?.stringValue
            ?? value.doubleValue.map { JSON.text(of: $0) } ?? value.encoded()
        )
      }
  }

  package subscript(key: String) -> String? { labels.first { $0.key == key }?.value }

  package func label(without keys: Set<String>) -> String {
    labels.filter { !keys.contains($0.key) }.map { "\($0.key)=\($0.value)" }
      .joined(separator: ", ")
  }

  /// "learning_rate=0.1, schedule=decay", or the grid's name where nothing varies.
  package var label: String { labels.isEmpty ? grid : label(without: []) }

  /// Final test accuracies of the runs that trained, by seed.
  package var values: [Int: Double] {
    Dictionary(
      runs.compactMap { run in run.outcome.value.map { (run.seed, $0) } },
      uniquingKeysWith: { first, _ in first })
  }

  var mean: Double { outcomes.values?.mean ?? -.infinity }

  /// Whether the two are the same runs under two names, as schedules are that reach the largest batch at
  /// their first drop.
  func isSameTraining(as other: SettingResult) -> Bool { !ends.isEmpty && ends == other.ends }

  /// Whether every run trained: no value stands for one that did not.
  package var isComplete: Bool { outcomes.finished == runs.count }

  var sweepRuns: LearningRateBreak.Runs {
    LearningRateBreak.Runs(
      outcomes: Dictionary(
        runs.map { ($0.seed, $0.outcome) }, uniquingKeysWith: { first, _ in first }),
      validation: Dictionary(
        runs.compactMap { run in
          run.outcome.value == nil ? nil : run.validationAccuracy.map { (run.seed, $0) }
        }, uniquingKeysWith: { first, _ in first }))
  }

  package var learningRate: Double { runs.first?.learningRate ?? 0 }
  package var schedule: String { runs.first?.schedule ?? "" }
  package var optimizer: String { runs.first?.optimizer ?? "" }
  package var momentum: Double? { runs.first?.momentum }
  package var batch: Int { runs.first?.batch ?? 0 }
  package var batchMost: Int { runs.first?.batchMost ?? 0 }
  package var updates: Int { runs.first?.updatesPlanned ?? 0 }
  package var samples: Int { runs.first?.samplesPlanned ?? 0 }
  /// Until the accumulated gradient has settled, B/(N(1-m)): the paper's section 4.
  package var epochsLost: Double? {
    guard let momentum, momentum < 1, let samples = runs.first?.samplesPerEpoch, samples > 0 else {
      return nil
    }
    return Double(batch) / (samples * (1 - momentum))
  }
  package var hasConstantBatch: Bool { batch == batchMost }

  /// Means over the runs that trained.
  package var seconds: Double? { mean(\.seconds) }
  package var coreSeconds: Double? { mean(\.coreSeconds) }
  package var validationAccuracy: Double? { mean(\.validationAccuracy) }
  package var peakMemory: Int? { runs.compactMap(\.peakMemory).max() }

  private func mean(_ value: (GridReport.RunRow) -> Double?) -> Double? {
    Summary(runs.filter { $0.outcome.value != nil }.compactMap(value))?.mean
  }

  /// "4 of 5", and what became of the others.
  package var counts: String {
    let others = [
      (outcomes.collapsed, "collapsed"), (outcomes.diverged, "diverged"),
      (outcomes.failed, "failed"), (outcomes.missing, "missing"),
    ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
    return outcomes.trained.description
      + (others.isEmpty ? "" : " (\(others.joined(separator: ", ")))")
  }

  /// "92.16 [91.95, 92.37]", in percent.
  package var accuracyText: String {
    guard let mean = outcomes.values?.mean else { return "" }
    return percent(mean)
      + (accuracy.map { " [\(percent($0.low)), \(percent($0.high))]" } ?? "")
  }
}
