import Statistics
import Tables
import Values

/// Notes that belong to every report's figures.
extension Report {
  package var notes: [String] {
    var notes = [
      "Final test accuracy is the primary figure. Intervals are for the mean over seeds, at 95 % unless "
        + "another level stands beside them, cut at 0 and 100 %, and conditional on this test set: "
        + "another test set would move all of them together.",
      options.interval == .student
        ? "Intervals are Student's t. Runs that did not train are counted beside the mean, never in it."
        : "Intervals of settings are bootstrapped (BCa, 10,000 resamples), those of differences and "
          + "curves are Student's t. Of 20 values they hold the mean in "
          + "\(number(100 * Bootstrap.coverage(of: .normal), 1)) % of normal samples and "
          + "\(number(100 * Bootstrap.coverage(of: .exponential), 1)) % of exponential ones, "
          + "not 95. Runs that did not train are counted beside the mean, never in it.",
      "A run collapsed if its final test accuracy is not above that of always guessing the commonest "
        + "class of the test set, by a one-sided binomial test at "
        + "\(JSON.text(of: 100 * Guessing.level)) %. Results of versions before this rule are judged as if "
        + "all classes were equally common.",
      "Peak memory is that of the worker's process: of the stage, where it has one slot.",
      "\"best\" in the table of runs is optimistic: it is the highest of a run's measurements, chosen on "
        + "the test data.",
      timingNote,
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
    return notes + refusals
  }

  private var timingNote: String {
    guard let reason = timesAreShared else {
      return
        "Seconds are wall-clock seconds of training: each stage had its machine alone, so far as the "
        + "queue knows. Core-seconds are these times the cores that were allotted."
    }
    return "Seconds are not compared: \(reason)."
  }

  private var refusals: [String] {
    var reasons: [String] = []
    for case .failure(let reason) in comparisons.map(\.test)
    where !reasons.contains(reason.description) {
      // The verdict has said it of one seed.
      if case .tooFewPairs = reason, settings.allSatisfy({ $0.runs.count < 2 }) { continue }
      reasons.append(reason.description)
    }
    var notes = reasons.prefix(3).map { "Not compared: \($0)." }
    let refused = settings.compactMap(\.refusal)
    if let reason = refused.first {
      notes.append("\(refused.count) settings have no interval: \(reason).")
    }
    return notes
  }

  /// Why wall-clock times cannot be compared; nil where each stage had its machine alone and runs of one
  /// setting took as long.
  package var timesAreShared: String? {
    let timings = grids.map(\.timing)
    if let most = timings.map(\.atOnce).max(), most > 1 {
      return "the machine was shared, with up to \(most) stages trained on it at once"
    }
    if timings.contains(where: { $0.threads > 1 }) {
      return "stages had different numbers of cores"
    }
    if timings.contains(where: { $0.hosts > 1 })
      || Set(grids.map(\.provenance.attempts.hosts)).count > 1
    {
      return "stages were trained on different machines"
    }
    let spread = settings.compactMap { setting -> Double? in
      let seconds = setting.runs.filter { $0.outcome.value != nil }.compactMap(\.seconds)
      guard let least = seconds.min(), let most = seconds.max(), least > 0 else { return nil }
      return most / least
    }.max()
    if let spread, spread > Report.mostSpread {
      return
        "the machine was shared: runs of one setting took up to \(number(spread, 1)) times as long as "
        + "others"
    }
    return nil
  }

  /// Runs of the same work differ by less on a machine that does nothing else.
  private static let mostSpread = 1.25
}
