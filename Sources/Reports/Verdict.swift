import Experiments
import Statistics

/// What a report says first: which arm of the comparison reaches what accuracy in how many updates, how
/// sure that is, and where the learning rate breaks.
extension Report {
  package var verdict: [String] {
    var lines =
      groups.isEmpty ? settings.prefix(Report.mostSentences).map { sentence($0) + "." } : []
    let told = groups.filter { group in group.arms.contains { settings[$0].outcomes.values != nil }
    }
    // Of many groups, the tables say it better than sentences.
    if told.count > Report.mostSentences {
      lines.append(summary)
    } else {
      for group in told {
        let arms = group.arms.map { settings[$0] }
        let place = group.label.isEmpty ? "" : "At \(group.label): "
        let said = arms.enumerated().map { number, arm in
          let same = arms[..<number].first { arm.isSameTraining(as: $0) }
          return same.map {
            "\(name(of: arm, group.axis)) is the same as \(name(of: $0, group.axis))"
          }
            ?? sentence(arm, axis: group.axis)
        }
        lines.append(place + said.joined(separator: "; ") + ".")
        if let equivalence = group.equivalence { lines.append(sentence(equivalence)) }
      }
    }
    let untold = groups.count - told.count
    if untold > 0 { lines.append("Of \(untold) more groups of settings no run has trained yet.") }
    if grids.count > 1, !groups.contains(where: { $0.axis == "grid" }) {
      lines.append(
        "No setting of one grid has a counterpart in another that differs in nothing else.")
    }
    lines += breaks.map(sentence)
    if options.margin == nil, !(comparisons.isEmpty && settings.count < 2) {
      lines.append(
        "No margin was stated, so nothing is called equivalent, and where a learning rate breaks is not "
          + "said: --margin 0.5 tests for half a point.")
    }
    let missing = settings.reduce(0) { $0 + $1.outcomes.missing }
    if missing > 0 { lines.append("\(missing) runs are missing: not over yet, or cancelled.") }
    return lines
  }

  /// Of more groups than these only a summary is said.
  private static let mostSentences = 8

  private var summary: String {
    var parts = ["\(groups.count) groups of settings are compared"]
    if let margin = options.margin {
      let tests = groups.compactMap { group -> GroupEquivalence? in
        if case .success(let test) = group.equivalence { test } else { nil }
      }
      let shown = tests.count { $0.isShown }
      let different = tests.count { $0.hasDifferentPair }
      parts.append(
        "in \(shown) all are equivalent within \(number(100 * margin, 2)) points (Holm over the groups), "
          + "in \(different) some pair is not, of \(tests.count - shown - different) it is not shown, "
          + "and \(groups.count - tests.count) are not tested")
    }
    if let best = settings.max(by: { $0.mean < $1.mean }), best.outcomes.values != nil {
      parts.append("the highest is \(best.label) with \(best.accuracyText) % (\(best.counts))")
    }
    return parts.joined(separator: "; ") + "."
  }

  private func name(of arm: SettingResult, _ axis: String?) -> String {
    axis.flatMap { arm[$0] } ?? arm.label
  }

  private func sentence(_ arm: SettingResult, axis: String? = nil) -> String {
    let name = name(of: arm, axis)
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
      let p = Report.text(p: group.adjustedP)
      let said = (p.hasPrefix("<") ? "p \(p)" : "p = \(p)") + (isCorrected ? " after Holm" : "")
      if group.isShown {
        return "All of these are equivalent within \(margin) points (every pair, two one-sided "
          + "tests, \(said))."
      }
      return group.hasDifferentPair
        ? "They are not all equivalent within \(margin) points: of some pair the whole interval lies "
          + "outside, at a level shared among the pairs."
        : "That all of these are equivalent within \(margin) points is not shown (\(said))."
    }
  }

  /// Whether there is more than one claim of equivalence.
  private var isCorrected: Bool {
    groups.count { if case .success = $0.equivalence { true } else { false } } > 1
  }

  private func sentence(_ line: RateBreak) -> String {
    let name = line.label.isEmpty ? "The learning rate" : "The learning rate of \(line.label)"
    switch line.result {
    case .failure(let reason): return "\(name): where it breaks is not known; \(reason)."
    case .success(let found):
      let setting = line.settings.first { $0.learningRate == found.chosen }
      let chosen =
        "\(JSON.text(of: found.chosen)) was chosen on "
        + (found.selection == .validation
          ? "validation accuracy" : "test accuracy, for want of validation")
        + (setting.map { " (test \($0.accuracyText) %)" } ?? "")
        + (line.missing > 0 ? "; provisional, \(line.missing) runs are missing" : "")
      guard let end = found.end else {
        let end = JSON.text(of: found.largest)
        return line.missing > 0
          ? "\(name) holds up to \(end), the last that is known; \(chosen)."
          : "\(name) does not break in this sweep, up to \(end); \(chosen)."
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
        + "not below ln(classes), that of guessing. A run with one measurement only cannot be told so.",
      "Seconds are wall-clock seconds of training, whatever ran beside; core-seconds are these times the "
        + "cores that were allotted. Peak memory is that of the worker's process: of the stage, where it has "
        + "one slot.",
      "\"best\" is optimistic: it is the highest of a run's measurements, chosen on the test data.",
    ]
    if comparisons.contains(where: { if case .success(.paired) = $0.test { true } else { false } })
    {
      notes.append(
        "Differences are paired by seed. Runs of one seed, network and data start alike and see the same "
          + "samples in the same order; where network or data differ, the seed is a number only.")
    }
    if Set(settings.map(\.dataset)).count > 1 {
      notes.append(
        "Settings on different data are not compared: their accuracies are not one quantity.")
    }
    var reasons: [String] = []
    for case .failure(let reason) in comparisons.map(\.test)
    where !reasons.contains(reason.description) {
      reasons.append(reason.description)
    }
    notes += reasons.prefix(3).map { "Not compared: \($0)." }
    let refused = settings.compactMap(\.refusal)
    if let reason = refused.first {
      notes.append("\(refused.count) settings have no interval: \(reason).")
    }
    return notes
  }

  package static func text(p: Double) -> String { p < 0.0001 ? "< 0.0001" : number(p, 4) }
}
