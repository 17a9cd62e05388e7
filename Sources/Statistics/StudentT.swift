import Foundation

/// Student's t distribution, the law of a mean's error in units of its estimated standard error.
/// The degrees of freedom may be fractional, as Welch's are.
package struct StudentT: Equatable, Sendable {
  package let df: Double
  /// Of df / (df + t²).
  private let beta: Beta

  package init(df: Double) {
    precondition(df > 0 && df.isFinite, "no t distribution has \(df) degrees of freedom")
    self.df = df
    beta = Beta(df / 2, 0.5)
  }

  package func density(_ t: Double) -> Double {
    exp(-(df + 1) / 2 * log1p(t * t / df) - logBeta(df / 2, 0.5)) / df.squareRoot()
  }

  /// P(T <= t), accurate where it is small.
  package func cumulative(_ t: Double) -> Double { t < 0 ? outside(t) / 2 : 0.5 + within(t) / 2 }

  /// P(T > t), accurate where it is small.
  package func survival(_ t: Double) -> Double { cumulative(-t) }

  /// P(|T| > |t|): the two-sided p of t.
  package func outside(_ t: Double) -> Double {
    let ratio = t * t / df
    return beta.cumulative(1 / (1 + ratio), complement: 1 / (1 + 1 / ratio))
  }

  /// P(|T| <= |t|).
  package func within(_ t: Double) -> Double {
    let ratio = t * t / df
    return beta.survival(1 / (1 + ratio), complement: 1 / (1 + 1 / ratio))
  }

  /// The t below which the share `p` of the distribution lies.
  package func quantile(_ p: Double) -> Double {
    symmetricQuantile(p, density: density, within: within, tail: survival)
  }
}
