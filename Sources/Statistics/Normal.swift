import Foundation

/// The standard normal distribution.
package enum Normal {
  package static func density(_ x: Double) -> Double {
    exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
  }

  /// P(X <= x), accurate where it is small.
  package static func cumulative(_ x: Double) -> Double { 0.5 * erfc(-x * 0.5.squareRoot()) }

  /// P(X > x), accurate where it is small.
  package static func survival(_ x: Double) -> Double { cumulative(-x) }

  /// The x below which the share `p` of the distribution lies.
  package static func quantile(_ p: Double) -> Double {
    symmetricQuantile(
      p, density: density, within: { erf($0 * 0.5.squareRoot()) }, tail: survival)
  }
}
