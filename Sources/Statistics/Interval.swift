/// Intervals of confidence, and estimates whose error follows Student's t.

package struct Interval: Equatable, Sendable {
  package let low: Double
  package let high: Double
  /// The share of such intervals that hold the true value, where the method's assumptions do.
  package let confidence: Double

  package init(low: Double, high: Double, confidence: Double) {
    precondition(confidence > 0 && confidence < 1, "no interval has confidence \(confidence)")
    self.low = low
    self.high = high
    self.confidence = confidence
  }

  /// An estimate with Student's t of `df` degrees of freedom to both sides.
  package init(around estimate: Double, standardError: Double, df: Double, confidence: Double) {
    precondition(confidence > 0 && confidence < 1, "no interval has confidence \(confidence)")
    let reach = -StudentT(df: df).quantile((1 - confidence) / 2) * standardError
    self.init(low: estimate - reach, high: estimate + reach, confidence: confidence)
  }

  /// The interval of a share, cut to 0 and 1.
  package var ofShares: Interval {
    Interval(low: min(max(low, 0), 1), high: min(max(high, 0), 1), confidence: confidence)
  }

  /// The interval of a difference of two shares, cut to -1 and 1.
  package var ofDifferences: Interval {
    Interval(low: min(max(low, -1), 1), high: min(max(high, -1), 1), confidence: confidence)
  }

  package func contains(_ value: Double) -> Bool { low <= value && value <= high }
}

/// A mean, or a difference of means, with a standard error above 0 and its degrees of freedom.
package struct Estimate: Equatable, Sendable {
  package let value: Double
  package let standardError: Double
  package let df: Double

  /// Nil where the values that it is made of differ by no more than rounding: then their scatter is
  /// not known, and t would be a ratio of rounding errors. `magnitude` is the largest of them. The
  /// difference of two decimal fractions, as doubles, is off by up to a unit in the last place of
  /// the larger one; four leave room for the mean.
  init?(_ value: Double, standardError: Double, df: Double, magnitude: Double) {
    guard standardError > 4 * magnitude.ulp, standardError.isFinite, df.isFinite, df > 0 else {
      return nil
    }
    self.value = value
    self.standardError = standardError
    self.df = df
  }

  /// How many standard errors the estimate is above a hypothesis.
  package func t(against hypothesis: Double = 0) -> Double {
    (value - hypothesis) / standardError
  }

  /// The chance of an estimate at least this far from the hypothesis, were it true.
  package func twoSidedP(against hypothesis: Double = 0) -> Double {
    StudentT(df: df).outside(t(against: hypothesis))
  }

  /// The chance of an estimate at least this high, were the true value at most the hypothesis.
  package func p(notAbove hypothesis: Double) -> Double {
    StudentT(df: df).survival(t(against: hypothesis))
  }

  /// The chance of an estimate at least this low, were the true value at least the hypothesis.
  package func p(notBelow hypothesis: Double) -> Double {
    StudentT(df: df).cumulative(t(against: hypothesis))
  }

  package func interval(confidence: Double = 0.95) -> Interval {
    Interval(around: value, standardError: standardError, df: df, confidence: confidence)
  }
}
