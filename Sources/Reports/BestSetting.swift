import Statistics

/// The highest mean accuracy among settings on the same data, what is surely below it, and what
/// reaches the same with fewer updates. Each finding names its level: the verdict prints nothing else.
package struct BestSetting: Sendable {
  /// Another setting beside the best one.
  package struct Rival: Sendable {
    /// Place in the report's settings.
    package let place: Int
    /// Best minus rival.
    package let difference: Double
    /// Simultaneous over all pairs of settings; nil where the differences have no scatter.
    package let interval: Interval?

    /// True if the best one is higher, at `level` over all pairs: choosing the best of them on the same
    /// runs is allowed for.
    package var isLower: Bool { interval.map { $0.low > 0 } ?? false }
  }

  /// A setting with fewer updates that is shown to be at most the margin lower.
  package struct Cheaper: Sendable {
    package let place: Int
    /// Cheaper minus best.
    package let difference: Double
    package let test: NonInferiority
    /// Corrected by Holm over all settings with fewer updates that could be tested.
    package let adjustedP: Double
  }

  package static let level = 0.05

  package let place: Int
  /// Those that could be compared with it, highest mean first.
  package let rivals: [Rival]
  /// Settings with a higher mean that are left out, since some of their runs collapsed, diverged or
  /// failed: a mean over survivors flatters.
  package let leftOut: [Int]
  /// Settings that could not be compared with it: they share some seeds or stages, and too few.
  package let uncompared: Int
  /// Pairs of settings, over which intervals are simultaneous.
  package let pairs: Int
  /// Fewest updates first.
  package let cheaper: [Cheaper]
  /// Settings with fewer updates that could be tested.
  package let tested: Int
  /// Pooled deviation of paired differences between settings; nil without pairs.
  package let deviation: Double?

  /// Compares settings on the same data; nil where none has two runs that trained.
  init?(among places: [Int], of settings: [SettingResult], grids: [GridReport], margin: Double) {
    let trained = places.filter { (settings[$0].outcomes.values?.n ?? 0) > 1 }
    let whole = trained.filter { place in
      let outcomes = settings[place].outcomes
      return outcomes.collapsed + outcomes.diverged + outcomes.failed == 0
    }
    let candidates = whole.isEmpty ? trained : whole
    guard let best = candidates.max(by: { settings[$0].mean < settings[$1].mean }) else {
      return nil
    }
    place = best
    leftOut = trained.filter {
      !candidates.contains($0) && settings[$0].mean > settings[best].mean
    }
    let others = candidates.filter {
      $0 != best && !settings[$0].isSameTraining(as: settings[best])
    }
    let count = max(1, (others.count + 1) * others.count / 2)
    pairs = count
    let compared = others.compactMap { other -> (Int, Comparison.Test)? in
      let comparison = Comparison(
        subject: best, reference: other, axis: "", settings: settings, grids: grids, margin: margin)
      guard case .success(let test) = comparison.test else { return nil }
      return (other, test)
    }
    uncompared = others.count - compared.count
    rivals = compared.map { other, test in
      Rival(
        place: other, difference: test.difference,
        interval: test.estimate?.interval(
          confidence: 1 - BestSetting.level / Double(count)
        ).ofDifferences)
    }.sorted { settings[$0.place].mean > settings[$1.place].mean }
    let updates = settings[best].updates
    let tests = compared.compactMap { other, _ -> (Int, PairedComparison, NonInferiority)? in
      guard settings[other].updates < updates, settings[other].isComplete,
        let pair = try? PairedComparison(settings[other].values, minus: settings[best].values),
        let test = try? NonInferiority(pair, margin: margin, alpha: BestSetting.level)
      else { return nil }
      return (other, pair, test)
    }
    tested = tests.count
    let adjusted = Holm(tests.map(\.2.p)).adjusted
    cheaper = zip(tests, adjusted).compactMap { entry, p in
      p < BestSetting.level
        ? Cheaper(
          place: entry.0, difference: entry.1.differences.mean, test: entry.2, adjustedP: p) : nil
    }.sorted { settings[$0.place].updates < settings[$1.place].updates }
    let scattered = compared.compactMap { _, test -> (square: Double, weight: Double)? in
      guard case .paired(let pair) = test, pair.estimate != nil else { return nil }
      return pair.differences.deviation.map { ($0 * $0, Double(pair.seeds.count - 1)) }
    }
    let weight = scattered.reduce(0) { $0 + $1.weight }
    deviation =
      weight > 0
      ? (scattered.reduce(0) { $0 + $1.square * $1.weight } / weight).squareRoot() : nil
  }
}
