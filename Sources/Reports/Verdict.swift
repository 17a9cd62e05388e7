import Experiments
import Statistics

/// What a report says first: which arm of the comparison reaches what accuracy in how many updates, how
/// sure that is, and where the learning rate breaks.
extension Report {
  package var verdict: [String] {
    var lines: [String] = []
    // Of many groups, the tables say it better than sentences.
    for group in groups where groups.count <= 8 {
      let arms = group.arms.map { settings[$0] }
      let place = group.label.isEmpty ? "" : "At \(group.label): "
      lines.append(place + arms.map(sentence).joined(separator: "; ") + ".")
      if let equivalence = group.equivalence { lines.append(sentence(equivalence)) }
    }
    lines += breaks.map(sentence)
    if options.margin == nil, !comparisons.isEmpty {
      lines.append(
        "No margin was stated, so nothing is called equivalent: --margin 0.5 tests for half a point."
      )
    }
    let missing = settings.reduce(0) { $0 + $1.outcomes.missing }
    if missing > 0 { lines.append("\(missing) runs are missing: not over yet, or cancelled.") }
    return lines
  }

  private func sentence(_ arm: SettingResult) -> String {
    let name = axis.flatMap { arm[$0] } ?? arm.label
    guard arm.outcomes.values != nil else { return "of \(name) \(arm.counts) runs trained" }
    return "\(name) \(arm.accuracyText) % (\(arm.counts)) in \(arm.updates) updates"
  }

  private func sentence(_ test: Result<GroupEquivalence, Refusal>) -> String {
    let margin = number(options.margin.map { 100 * $0 }, 2)
    switch test {
    case .failure(let refusal):
      return "Whether all of these are equivalent within \(margin) points is not tested: "
        + "\(refusal.reason)."
    case .success(let group):
      let p = "p = \(Report.text(p: group.all.p))"
      if group.all.verdict == .equivalent {
        return "All of these are equivalent within \(margin) points (every pair, two one-sided "
          + "tests, \(p))."
      }
      return group.hasDifferentPair
        ? "They are not all equivalent within \(margin) points: of some pair the whole interval lies "
          + "outside, at a level shared among the pairs."
        : "That all of these are equivalent within \(margin) points is not shown (\(p))."
    }
  }

  private func sentence(_ line: RateBreak) -> String {
    let name = line.label.isEmpty ? "The learning rate" : "The learning rate of \(line.label)"
    switch line.result {
    case .failure(let reason): return "\(name): where it breaks is not known; \(reason)."
    case .success(let found):
      let chosen =
        "\(JSON.text(of: found.chosen)) was chosen on "
        + (found.selection == .validation
          ? "validation accuracy" : "test accuracy, for want of validation")
      guard let end = found.end else {
        return
          "\(name) does not break in this sweep, up to \(JSON.text(of: found.largest)); \(chosen)."
      }
      let (largest, next) = (JSON.text(of: found.largest), JSON.text(of: end.rate))
      let broken: String? =
        switch end.finding {
        case .broken(let seeds):
          "\(seeds.count) run\(seeds.count == 1 ? "" : "s") at \(next) collapsed or diverged"
        case .notShown(let test) where test.verdict == .inferior: "\(next) is inferior"
        case .notShown, .untested, .nonInferior: nil
        }
      if let broken { return "\(name) breaks above \(largest): \(broken); \(chosen)." }
      let why = if case .untested(let reason) = end.finding { ": \(reason)" } else { "" }
      return "\(name) holds up to \(largest); that \(next) is not inferior is not shown\(why); "
        + "\(chosen)."
    }
  }

  /// What must be said of the figures, whatever they are.
  package var notes: [String] {
    var notes = [
      "Final test accuracy is the primary figure. Intervals are for the mean over seeds, at 95 %, and "
        + "conditional on this test set: another test set would move all of them together.",
      options.interval == .student
        ? "Intervals are Student's t. Runs that did not train are counted beside the mean, never in it."
        : "Intervals of settings are bootstrapped (BCa, 10,000 resamples), those of differences and "
          + "curves are Student's t. Of 20 values they hold the mean in "
          + "\(number(100 * Bootstrap.coverage(.bca, of: .normal), 1)) % of normal samples and "
          + "\(number(100 * Bootstrap.coverage(.bca, of: .exponential), 1)) % of exponential ones, "
          + "not 95. Runs that did not train are counted beside the mean, never in it.",
      "\"collapsed\" is a run that ended with a mean training loss, since its last measurement but one, "
        + "not below ln(classes), that of guessing.",
      "\"best\" is optimistic: it is the highest of a run's measurements, chosen on the test data.",
    ]
    if comparisons.contains(where: { if case .success(.paired) = $0.test { true } else { false } })
    {
      notes.append(
        "Differences are paired by seed. Runs of one seed, network and data start alike and see the same "
          + "samples in the same order; where network or data differ, the seed is a number only.")
    }
    let refused = settings.compactMap(\.refusal)
    if let reason = refused.first {
      notes.append("\(refused.count) settings have no interval: \(reason).")
    }
    return notes
  }

  package static func text(p: Double) -> String { p < 0.0001 ? "< 0.0001" : number(p, 4) }
}
