import Foundation
import Values

/// How a column of numbers becomes a feature: less its mean, over its deviation. Both are taken over
/// the rows that are trained on. A column that is constant there is 0 everywhere.
package struct Standardization: Equatable, Sendable {
  /// Values are divided by two to this before anything is summed: nothing overflows.
  private let exponent: Int
  private let mean: Double
  /// 0 of a constant column.
  private let deviation: Double

  /// Values that differ by so much, of a largest one in [0.5, 1), are equal but for rounding: four
  /// units in the last place.
  private static let rounding = 0x1p-51

  /// `values` are finite. Of none, everything is 0.
  init(over values: some Collection<Double>) {
    let largest = values.reduce(0) { max($0, abs($1)) }
    let exponent = largest > 0 ? Int(largest.exponent) + 1 : 0
    self.exponent = exponent
    let scaled = values.lazy.map { scalbn($0, -exponent) }
    let (low, high) = (scaled.min() ?? 0, scaled.max() ?? 0)
    guard high - low > Standardization.rounding else {
      (mean, deviation) = (0, 0)
      return
    }
    let count = Double(scaled.count)
    let first = scaled.reduce(0, +) / count
    // The second pass takes back what the first one rounded.
    let rest = scaled.reduce(0) { $0 + ($1 - first) } / count
    let mean = first + rest
    let square = scaled.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    self.mean = mean
    deviation = square.squareRoot()
  }

  /// feature = (value / 2^exponent - mean) / deviation, or 0 where the deviation is 0.
  var json: JSON {
    ["exponent": .integer(exponent), "mean": .real(mean), "deviation": .real(deviation)]
  }

  /// Such as "mean 3.5, deviation 1.2", in the units of the column.
  var words: String {
    guard deviation > 0 else { return "the same everywhere" }
    let (mean, deviation) = (scalbn(mean, exponent), scalbn(deviation, exponent))
    return String(format: "mean %.4g, deviation %.4g", mean, deviation)
  }

  /// Reads what `json` has written.
  init?(_ node: JSON) {
    guard let exponent = node["exponent"]?.intValue, (-2000...2000).contains(exponent),
      let mean = node["mean"]?.doubleValue, let deviation = node["deviation"]?.doubleValue,
      mean.isFinite, deviation.isFinite, deviation >= 0
    else { return nil }
    (self.exponent, self.mean, self.deviation) = (exponent, mean, deviation)
  }

  /// Nil where the number does not fit: a value that is far beyond those that are trained on.
  func feature(_ value: Double) -> Float? {
    guard deviation > 0 else { return 0 }
    let feature = Float((scalbn(value, -exponent) - mean) / deviation)
    return feature.isFinite ? feature : nil
  }
}
