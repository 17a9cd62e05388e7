/// Whether one schedule is at most a margin worse than another, where higher values are better: a
/// one-sided test.
package struct NonInferiority: Equatable, Sendable {
  package enum Verdict: String, Sendable {
    case nonInferior
    /// The interval lies wholly below -margin.
    case inferior
    case undecided
  }

  /// In the unit of the values; the user states it before the runs are seen.
  package let margin: Double
  package let alpha: Double
  /// The chance of a mean difference this high, were the true one at most -margin.
  package let p: Double
  /// At confidence 1 - 2α: its lower end is the one-sided bound at 1 - α, and lies above -margin
  /// just where the test rejects.
  package let interval: Interval

  /// Of the comparison's subject against its reference.
  package init(_ comparison: PairedComparison, margin: Double, alpha: Double = 0.05)
    throws(StatisticsError)
  {
    let estimate = try comparison.tested()
    guard margin > 0, margin.isFinite else { throw .noMargin(margin) }
    self.margin = margin
    self.alpha = alpha
    p = estimate.p(notAbove: -margin)
    interval = estimate.interval(confidence: 1 - 2 * alpha)
  }

  package var verdict: Verdict {
    if p < alpha { return .nonInferior }
    return interval.high < -margin ? .inferior : .undecided
  }
}
