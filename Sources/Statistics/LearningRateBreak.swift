/// How far the learning rate can be raised before it costs accuracy: the largest rate that is not
/// inferior to the chosen one, with none in between that is.
package struct LearningRateBreak: Equatable, Sendable {
  /// Which values choose the rate. Test values favour the rate that they chose, so what is chosen
  /// on them is compared with too high a mean: where there is a validation set, it chooses.
  package enum Selection: String, Sendable {
    case validation
    case test
  }

  /// The runs of one learning rate. Higher values are better.
  package struct Runs: Equatable, Sendable {
    /// With test values, by seed: what rates are compared by.
    package let outcomes: [Int: Outcome]
    /// By seed; empty where there is no validation set.
    package let validation: [Int: Double]

    package init(outcomes: [Int: Outcome], validation: [Int: Double] = [:]) {
      self.outcomes = outcomes
      self.validation = validation
    }

    var values: [Int: Double] { outcomes.compactMapValues(\.value) }

    /// Seeds whose run collapsed or diverged, ascending.
    var untrained: [Int] {
      outcomes.filter { $0.value == .collapsed || $0.value == .diverged }.keys.sorted()
    }
  }

  package enum Finding: Equatable, Sendable {
    case nonInferior(NonInferiority)
    /// Inferior, or undecided.
    case notShown(NonInferiority)
    /// Runs of these seeds collapsed or diverged. One is enough: no value stands for such a run,
    /// and the mean of the others would hide it.
    case broken(seeds: [Int])
    /// Too few pairs, or no scatter.
    case untested(StatisticsError)
  }

  package struct Step: Equatable, Sendable {
    package let rate: Double
    package let finding: Finding
  }

  package let selection: Selection
  package let margin: Double
  package let alpha: Double
  /// The highest mean of the selection's values, each rate's over its own seeds, among rates that
  /// have two of them and no run that collapsed or diverged; the lower rate of equals.
  package let chosen: Double
  /// The rates above the chosen one, ascending, up to the first that is not non-inferior. Testing
  /// ends there, so each is tested at α and nothing is corrected (Maurer, Hothorn and Lehmacher
  /// 1995).
  package let steps: [Step]

  /// Of runs by learning rate. Rates are compared in pairs by seed; a run that failed or is missing
  /// says nothing about its rate, and only takes its pair away.
  package init(
    _ runs: [Double: Runs], choosingOn selection: Selection, margin: Double, alpha: Double = 0.05
  ) throws(StatisticsError) {
    guard margin > 0, margin.isFinite else { throw .noMargin(margin) }
    let chosen = try LearningRateBreak.choice(of: runs, on: selection)
    var steps: [Step] = []
    for (rate, candidate) in runs.sorted(by: { $0.key < $1.key }) where rate > chosen.rate {
      let finding = LearningRateBreak.finding(
        candidate, against: chosen.values, margin: margin, alpha: alpha)
      steps.append(Step(rate: rate, finding: finding))
      guard case .nonInferior = finding else { break }
    }
    self.selection = selection
    self.margin = margin
    self.alpha = alpha
    self.chosen = chosen.rate
    self.steps = steps
  }

  /// The largest rate that is not inferior; the chosen one where the next already is.
  package var largest: Double {
    steps.last { step in
      if case .nonInferior = step.finding { true } else { false }
    }?.rate ?? chosen
  }

  /// The step at which the rates break; nil where the sweep ends before they do.
  package var end: Step? { steps.last.flatMap { $0.rate > largest ? $0 : nil } }

  private static func choice(of runs: [Double: Runs], on selection: Selection)
    throws(StatisticsError) -> (rate: Double, values: [Int: Double])
  {
    var best: (rate: Double, values: [Int: Double], mean: Double)?
    for (rate, candidate) in runs.sorted(by: { $0.key < $1.key }) {
      let values = candidate.values
      guard values.count >= 2, candidate.untrained.isEmpty else { continue }
      let seeds = values.keys.sorted()
      let choosing: [Double]
      switch selection {
      case .test: choosing = seeds.compactMap { values[$0] }
      case .validation:
        let absent = seeds.filter { candidate.validation[$0] == nil }
        guard absent.isEmpty else { throw .noValidation(rate: rate, seeds: absent) }
        choosing = seeds.compactMap { candidate.validation[$0] }
      }
      guard let mean = Summary(choosing)?.mean, mean > best?.mean ?? -.infinity else { continue }
      best = (rate, values, mean)
    }
    guard let best else { throw .noRateToChoose(rates: runs.count) }
    return (best.rate, best.values)
  }

  private static func finding(
    _ candidate: Runs, against chosen: [Int: Double], margin: Double, alpha: Double
  ) -> Finding {
    let untrained = candidate.untrained
    guard untrained.isEmpty else { return .broken(seeds: untrained) }
    do throws(StatisticsError) {
      let comparison = try PairedComparison(candidate.values, minus: chosen)
      let test = try NonInferiority(comparison, margin: margin, alpha: alpha)
      return test.verdict == .nonInferior ? .nonInferior(test) : .notShown(test)
    } catch {
      return .untested(error)
    }
  }
}
