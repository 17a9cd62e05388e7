import Statistics
import Tables
import Values

/// The first sentences of a report: the best setting, by how much and how surely; what reaches the same in
/// fewer updates; where the learning rate breaks; how many seeds it would take. Every sentence names its
/// level and its interval, and says what the tables hold.
extension Report {
  package var verdict: [String] {
    guard settings.contains(where: { $0.outcomes.values != nil }) else {
      return settings.isEmpty ? [] : [noneTrained] + missingSentence
    }
    if hasOneSeed { return [oneSeedSentence] + armSentences + missingSentence }
    var lines = bests.flatMap(sentences)
    lines += armSentences
    if grids.count > 1, !groups.contains(where: { $0.axis == "grid" }) {
      lines.append(
        "No setting of one grid has a counterpart in another that differs in nothing else.")
    }
    lines += breaks.map(sentence)
    lines += bests.compactMap(seedSentence)
    if settings.count > 1 {
      lines.append(
        "The margin, within which accuracies count as the same, is \(points(options.margin)); "
          + (options.margin == Options.defaultMargin
            ? "that is the default, and --margin states another." : "it was stated by --margin."))
    }
    return lines + missingSentence
  }

  /// More settings or groups than these get a summary.
  private static let mostSentences = 8

  private var hasOneSeed: Bool { settings.allSatisfy { $0.runs.count < 2 } }

  private var noneTrained: String {
    let outcomes = settings.map(\.outcomes)
    let ends = [
      (outcomes.reduce(0) { $0 + $1.collapsed }, "collapsed"),
      (outcomes.reduce(0) { $0 + $1.diverged }, "diverged"),
      (outcomes.reduce(0) { $0 + $1.failed }, "failed"),
    ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
    return "No run has trained" + (ends.isEmpty ? " yet." : ": \(ends.joined(separator: ", ")).")
  }

  private var oneSeedSentence: String {
    // Accuracies on different data are different quantities.
    let isOneData = Set(settings.map(\.dataset)).count == 1
    let best = isOneData ? settings.max { $0.mean < $1.mean } : nil
    let highest = best.map {
      "The highest is \($0.label) with \(percent($0.outcomes.values?.mean)) %. "
    }
    return (settings.count > 1 ? highest ?? "" : "")
      + "Each setting has one seed: nothing can be inferred about differences between settings, "
      + "and no interval, test or margin is reported."
  }

  private var missingSentence: [String] {
    let missing = settings.reduce(0) { $0 + $1.outcomes.missing }
    return missing > 0 ? ["\(missing) runs are missing: not over yet, or cancelled."] : []
  }

  private func points(_ share: Double) -> String { "\(JSON.text(of: Float(100 * share))) points" }

  /// "0.35 points [95 % interval: 0.10 to 0.60]".
  private func difference(_ value: Double, _ interval: Interval, _ what: String = "") -> String {
    let interval = interval.ofDifferences
    let level = JSON.text(of: Float(100 * interval.confidence))
    return "\(number(100 * value, 2)) points [\(what.isEmpty ? "\(level) % interval" : what): "
      + "\(number(100 * interval.low, 2)) to \(number(100 * interval.high, 2))]"
  }

  // MARK: - The best

  private func sentences(_ best: BestSetting) -> [String] {
    let setting = settings[best.place]
    let data = bests.count > 1 ? " of the settings on data set \(setting.dataset.prefix(12))" : ""
    let missing = setting.outcomes.missing
    let whole =
      best.leftOut.isEmpty
      ? "The" : "Among settings of which no run collapsed, diverged or failed, the"
    var lines = [
      "\(whole) highest mean final test accuracy\(data) is that of \(setting.label): "
        + "\(percent(setting.outcomes.values?.mean)) %"
        + (setting.accuracy.map {
          " [95 % interval of the mean: \(percent($0.low)) to \(percent($0.high))]"
        } ?? "")
        + ", over \(setting.outcomes.trained) runs, in \(setting.updates) updates"
        + (missing > 0 ? "; provisional, \(missing) of its runs are missing" : "") + "."
    ]
    if let higher = best.leftOut.max(by: { settings[$0].mean < settings[$1].mean }) {
      let other = settings[higher]
      lines.append(
        "\(other.label) is higher, \(percent(other.outcomes.values?.mean)) %, over the runs that trained: "
          + "\(other.counts). A mean over survivors is not compared.")
    }
    if let next = best.rivals.first { lines.append(sentence(best, next)) }
    if best.uncompared > 0 {
      lines.append(
        "\(best.uncompared) settings could not be compared with it: they share some of its seeds or "
          + "stages, and too few.")
    }
    lines += cheaperSentence(best).map { [$0] } ?? []
    return lines
  }

  private func sentence(_ best: BestSetting, _ next: BestSetting.Rival) -> String {
    let name = settings[next.place].label
    guard let interval = next.interval else {
      return
        "Its difference from \(name), the next, is \(number(100 * next.difference, 2)) points without "
        + "any scatter, so nothing can be tested."
    }
    let pairs = best.pairs == 1 ? "" : "simultaneous 95 % interval over all \(best.pairs) pairs"
    let amount = difference(next.difference, interval, pairs)
    let surely =
      next.isLower
      ? "the interval is above 0, so it is surely higher"
      : interval.high < 0
        ? "the interval is below 0, so over the seeds that both have it is surely lower"
        : "the interval holds 0, so that it is higher is not shown"
    let lower = best.rivals.count { $0.isLower }
    let others =
      best.rivals.count > 1
      ? " Of the \(best.rivals.count) settings compared with it, \(lower) are surely lower at that level."
      : ""
    return "Its difference from \(name), the next, is \(amount); \(surely)." + others
  }

  private func cheaperSentence(_ best: BestSetting) -> String? {
    let top = settings[best.place]
    let fewer = best.rivals.count { settings[$0.place].updates < top.updates }
    guard fewer > 0 else { return nil }
    let test =
      "one-sided tests at 5 %"
      + (best.tested > 1 ? ", corrected by Holm over \(best.tested) settings" : "")
    guard !best.cheaper.isEmpty else {
      return "No setting with fewer updates is shown to be at most \(points(options.margin)) lower "
        + "(\(best.tested) of \(fewer) could be tested; \(test))."
    }
    let named = best.cheaper.prefix(3).map { cheaper -> String in
      let setting = settings[cheaper.place]
      let factor = Double(top.updates) / Double(setting.updates)
      return
        "\(setting.label) in \(setting.updates) updates, \(number(factor, 1)) times fewer (difference "
        + "\(difference(cheaper.difference, cheaper.test.interval)), "
        + "p \(equalOrLess(cheaper.adjustedP)))"
    }
    let more = best.cheaper.count - named.count
    return "With fewer updates and at most \(points(options.margin)) lower (\(test)): "
      + named.joined(separator: "; ") + (more > 0 ? "; and \(more) more" : "") + "."
  }

  private func seedSentence(_ best: BestSetting) -> String? {
    guard let deviation = best.deviation, deviation > 0 else {
      return best.rivals.isEmpty
        ? nil
        : "How many seeds a margin takes is not said: no differences at one seed were seen to scatter."
    }
    let have = settings[best.place].runs.count
    let scatter =
      "Differences at one seed scatter by \(number(100 * deviation, 2)) points (pooled over the best "
      + "setting's pairs)"
    guard
      let needed = SeedCount.forEquivalence(margin: options.margin, deviation: deviation)
    else {
      return scatter
        + ": equivalence within \(points(options.margin)) is out of reach of 10,000 seeds."
    }
    return scatter
      + ": to show with a chance of 80 % that two equal settings are equivalent within "
      + "\(points(options.margin)) takes \(needed) seeds (two one-sided tests at 5 %); here are \(have)."
  }

  // MARK: - Arms

  private var armSentences: [String] {
    if groups.isEmpty {
      // The best one has been said.
      let told = settings.enumerated().filter { place, _ in !bests.contains { $0.place == place } }
        .map(\.element)
      guard told.count <= Report.mostSentences else { return [] }
      return told.map { sentence($0) + "." }
    }
    var lines: [String] = []
    let told = groups.filter { group in group.arms.contains { settings[$0].outcomes.values != nil }
    }
    // The tables say it better than sentences if there are many groups.
    if told.count > Report.mostSentences {
      lines += hasOneSeed ? [] : [summary]
    } else {
      for group in told {
        lines.append(sentence(of: group))
        if let equivalence = group.equivalence, !hasOneSeed {
          lines.append(sentence(equivalence, of: group))
        }
      }
    }
    let untold = groups.count - told.count
    if untold > 0 { lines.append("Of \(untold) more groups of settings no run has trained.") }
    return lines
  }

  private func sentence(of group: Group) -> String {
    let arms = group.arms.map { settings[$0] }
    let said = arms.enumerated().map { number, arm in
      let same = arms[..<number].first { arm.isSameTraining(as: $0) }
      return same.map {
        "\(name(of: arm, group.axis)) is the same as \(name(of: $0, group.axis))"
      } ?? sentence(arm, axis: group.axis)
    }
    return (group.label.isEmpty ? "" : "At \(group.label): ") + said.joined(separator: "; ") + "."
  }

  private func name(of arm: SettingResult, _ axis: String?) -> String {
    axis.flatMap { arm[$0] } ?? arm.label
  }

  private func sentence(_ arm: SettingResult, axis: String? = nil) -> String {
    let name = name(of: arm, axis)
    guard let mean = arm.outcomes.values?.mean else {
      return "of \(name) \(arm.counts) runs trained"
    }
    let interval = arm.accuracy.map {
      " [95 % interval: \(percent($0.low)) to \(percent($0.high))]"
    }
    return "\(name) \(percent(mean)) %\(interval ?? "") (\(arm.counts)) in \(arm.updates) updates"
  }

  private var summary: String {
    let tests = groups.compactMap { group -> GroupEquivalence? in
      if case .success(let test) = group.equivalence { test } else { nil }
    }
    let shown = tests.count { $0.isShown }
    let different = tests.count { $0.differentPair != nil }
    return "\(groups.count) groups of settings are compared; in \(shown) all are equivalent within "
      + "\(points(options.margin)) (two one-sided tests at 5 %, corrected by Holm over the groups), in "
      + "\(different) some pair is not (its interval, simultaneous at 95 % over all "
      + "\(testedPairs) pairs, lies outside), of \(tests.count - shown - different) neither is "
      + "shown, and \(groups.count - tests.count) are not tested."
  }

  /// Comparisons over which intervals are simultaneous.
  var testedPairs: Int { comparisons.count { $0.simultaneous != nil } }

  private func sentence(_ test: Result<GroupEquivalence, Refusal>, of group: Group) -> String {
    let margin = points(options.margin)
    switch test {
    case .failure(let refusal):
      return "Whether all of these are equivalent within \(margin) is not tested: "
        + "\(refusal.reason)."
    case .success(let found):
      let holm = isCorrected ? " after Holm over the groups" : ""
      let p = "p \(equalOrLess(found.adjustedP))\(holm)"
      if found.isShown {
        return
          "All of these are equivalent within \(margin): two one-sided tests at 5 % of every pair, "
          + "\(p); the 90 % intervals of all \(found.tests) differences lie between -\(margin) and "
          + "\(margin)."
      }
      if let place = found.differentPair, let interval = comparisons[place].simultaneous {
        let comparison = comparisons[place]
        return "They are not all equivalent within \(margin): "
          + "\(name(of: settings[comparison.subject], group.axis)) minus "
          + "\(name(of: settings[comparison.reference], group.axis)) is "
          + difference(
            comparison.difference ?? 0, interval,
            testedPairs == 1 ? "" : "simultaneous 95 % interval over \(testedPairs) pairs")
          + ", wholly outside of the margin."
      }
      let widest = comparisons.filter { comparison in
        comparison.axis == group.axis && group.arms.contains(comparison.subject)
          && group.arms.contains(comparison.reference) && comparison.equivalence != nil
      }.max { ($0.equivalence?.p ?? 0) < ($1.equivalence?.p ?? 0) }
      let pair = widest.flatMap { comparison in
        comparison.equivalence.map { test in
          "; the least sure is \(name(of: settings[comparison.subject], group.axis)) minus "
            + "\(name(of: settings[comparison.reference], group.axis)), "
            + difference(comparison.difference ?? 0, test.interval)
        }
      }
      return
        "That all of these are equivalent within \(margin) is not shown: two one-sided tests at 5 % "
        + "of every pair, \(p)\(pair ?? "")."
    }
  }

  /// Whether there is more than one claim of equivalence.
  private var isCorrected: Bool {
    groups.count { if case .success = $0.equivalence { true } else { false } } > 1
  }

  // MARK: - The learning rate

  private func sentence(_ line: RateBreak) -> String {
    let name = line.label.isEmpty ? "The learning rate" : "The learning rate of \(line.label)"
    switch line.result {
    case .failure(let reason): return "\(name): where it breaks is not known; \(reason)."
    case .success(let found):
      let setting = line.settings.first { $0.learningRate == found.chosen }
      let chosen =
        "compared with \(JSON.text(of: found.chosen)), chosen on "
        + (found.selection == .validation
          ? "validation accuracy" : "test accuracy, for want of validation")
        + (setting.map {
          " (test \($0.accuracyText) %" + ($0.accuracy == nil ? ")" : ", 95 % interval)")
        } ?? "")
        + ", margin \(points(options.margin)), one-sided tests at 5 % in the order of rates"
        + (line.missing > 0 ? "; provisional, \(line.missing) runs are missing" : "")
      guard let end = found.end else {
        let end = JSON.text(of: found.largest)
        return line.missing > 0
          ? "\(name) holds up to \(end), the last that is known; \(chosen)."
          : "\(name) does not break in this sweep, up to \(end)\(lastInterval(found)); \(chosen)."
      }
      let (largest, next) = (JSON.text(of: found.largest), JSON.text(of: end.rate))
      switch end.finding {
      case .broken(let seeds):
        return
          "\(name) breaks above \(largest): \(seeds.count) run\(seeds.count == 1 ? "" : "s") at "
          + "\(next) collapsed or diverged; \(chosen)."
      case .notShown(let test):
        let interval =
          "90 % interval of the difference: \(number(100 * test.interval.ofDifferences.low, 2)) to "
          + "\(number(100 * test.interval.ofDifferences.high, 2)) points"
        return test.verdict == .inferior
          ? "\(name) breaks above \(largest): \(next) is inferior [\(interval)]; \(chosen)."
          : "\(name) holds up to \(largest); that \(next) is not inferior is not shown [\(interval)]; "
            + "\(chosen)."
      case .untested(let reason):
        return
          "\(name) holds up to \(largest); that \(next) is not inferior is not shown: \(reason); "
          + "\(chosen)."
      case .nonInferior: return "\(name) holds up to \(largest); \(chosen)."
      }
    }
  }

  private func lastInterval(_ found: LearningRateBreak) -> String {
    guard case .nonInferior(let test)? = found.steps.last?.finding else { return "" }
    let interval = test.interval.ofDifferences
    return " [90 % interval of the last difference: \(number(100 * interval.low, 2)) to "
      + "\(number(100 * interval.high, 2)) points]"
  }

  package static func text(p: Double) -> String { p < 0.0001 ? "< 0.0001" : number(p, 4) }

  private func equalOrLess(_ p: Double) -> String {
    let text = Report.text(p: p)
    return text.hasPrefix("<") ? text : "= \(text)"
  }
}
