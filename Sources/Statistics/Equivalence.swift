/// Tests whether two schedules are equally good within a margin, by two one-sided tests (Schuirmann
/// 1987). A test that finds no difference does not show equivalence; this test can.
package struct Equivalence: Equatable, Sendable {
  package enum Verdict: String, Sendable {
    case equivalent
    /// The interval lies wholly outside the margin.
    case notEquivalent
    case undecided
  }

  /// In the unit of the values; the user states it before the runs are seen.
  package let margin: Double
  package let alpha: Double
  /// The chance of a mean difference this high, were the true one at most -margin.
  package let lowerP: Double
  /// The chance of a mean difference this low, were the true one at least +margin.
  package let upperP: Double
  /// At confidence 1 - 2α: it lies within ±margin just where both tests reject.
  package let interval: Interval

  package init(_ comparison: PairedComparison, margin: Double, alpha: Double = 0.05)
    throws(StatisticsError)
  {
    let estimate = try comparison.tested()
    guard margin > 0, margin.isFinite else { throw .noMargin(margin) }
    self.margin = margin
    self.alpha = alpha
    lowerP = estimate.p(notAbove: -margin)
    upperP = estimate.p(notBelow: margin)
    interval = estimate.interval(confidence: 1 - 2 * alpha)
  }

  package var p: Double { max(lowerP, upperP) }

  package var verdict: Verdict {
    if p < alpha { return .equivalent }
    return interval.low > margin || interval.high < -margin ? .notEquivalent : .undecided
  }
}

/// Whether all of several pairs are equivalent: each is tested at α, and nothing is corrected,
/// since the claim fails with the first of them (Berger 1982).
package struct IntersectionUnion: Equatable, Sendable {
  package let tests: [Equivalence]

  /// Refused for no tests at all, and for tests at different α.
  package init(_ tests: [Equivalence]) throws(StatisticsError) {
    guard let first = tests.first else { throw .nothingToCombine }
    guard tests.allSatisfy({ $0.alpha == first.alpha }) else {
      throw .differentLevels(tests.map(\.alpha))
    }
    self.tests = tests
  }

  package var p: Double { tests.reduce(0) { max($0, $1.p) } }

  /// Equivalent if all pairs are; not equivalent if one is not.
  package var verdict: Equivalence.Verdict {
    let verdicts = tests.map(\.verdict)
    if verdicts.contains(.notEquivalent) { return .notEquivalent }
    return verdicts.contains(.undecided) ? .undecided : .equivalent
  }
}
