/// A sample in three numbers: how many values, their mean, and how they scatter.
package struct Summary: Equatable, Sendable {
  package let n: Int
  package let mean: Double
  /// Root of the mean square about the mean, over n - 1. One value has none.
  package let deviation: Double?

  /// Nil of no values. Values are finite: a run without a finite value is an `Outcome`, no number.
  package init?(_ values: [Double]) {
    guard !values.isEmpty else { return nil }
    if let wrong = values.first(where: { !$0.isFinite }) {
      preconditionFailure("a sample of \(values.count) values has \(wrong) in it")
    }
    n = values.count
    // The second pass takes back the rounding of the first, so equal values have exactly their
    // mean.
    let rough = values.reduce(0, +) / Double(n)
    let mean = rough + values.reduce(0) { $0 + ($1 - rough) } / Double(n)
    self.mean = mean
    guard n > 1 else {
      deviation = nil
      return
    }
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    deviation = (squares / Double(n - 1)).squareRoot()
  }

  /// Of the mean.
  package var standardError: Double? { deviation.map { $0 / Double(n).squareRoot() } }

  /// Student's t interval of the mean: exact for normal values, and an approximation for others. It
  /// has no width where all values are equal; one value has none.
  package func interval(confidence: Double = 0.95) -> Interval? {
    standardError.map {
      Interval(around: mean, standardError: $0, df: Double(n - 1), confidence: confidence)
    }
  }
}
