/// Curves of several seeds as one: their mean, and how sure it is, at each point of the sample
/// clock.
package struct Band: Equatable, Sendable {
  package struct Point: Equatable, Sendable {
    /// The sample clock.
    package let samples: Int
    /// Of the curves that have a value here; it tells how many they are.
    package let values: Summary
    /// Student's t; nil of one value.
    package let interval: Interval?
  }

  /// Ascending in samples.
  package let points: [Point]

  /// Values meet at equal samples only: nothing is interpolated, so runs that were measured
  /// elsewhere add points of their own. Refused where a curve has two values at one point.
  package init(_ curves: [[(samples: Int, value: Double)]], confidence: Double = 0.95)
    throws(StatisticsError)
  {
    var values: [Int: [Double]] = [:]
    for (index, curve) in curves.enumerated() {
      var seen: Set<Int> = []
      for point in curve {
        guard seen.insert(point.samples).inserted else {
          throw .repeatedPoint(curve: index, samples: point.samples)
        }
        values[point.samples, default: []].append(point.value)
      }
    }
    points = values.sorted { $0.key < $1.key }.compactMap { samples, values in
      Summary(values).map {
        Point(samples: samples, values: $0, interval: $0.interval(confidence: confidence))
      }
    }
  }
}
