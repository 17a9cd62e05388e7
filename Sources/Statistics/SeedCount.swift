/// How many seeds a comparison takes, from how much differences were seen to scatter.
package enum SeedCount {
  /// The least number of pairs with which two settings of equal accuracy are shown to be equivalent
  /// within `margin` with a chance of `power`, by two one-sided tests at `alpha`: where (t of α +
  /// t of β/2) standard errors fit into the margin (Phillips 1990). `deviation` is that of the paired
  /// differences. Nil where more than `most` would be needed.
  package static func forEquivalence(
    margin: Double, deviation: Double, alpha: Double = 0.05, power: Double = 0.8,
    most: Int = 10_000
  ) -> Int? {
    precondition(margin > 0 && deviation >= 0, "a margin of \(margin), a deviation of \(deviation)")
    func reaches(_ count: Int) -> Bool {
      let t = StudentT(df: Double(count - 1))
      let reach = -t.quantile(alpha) - t.quantile((1 - power) / 2)
      return reach * deviation / Double(count).squareRoot() <= margin
    }
    guard reaches(most) else { return nil }
    var (low, high) = (2, most)
    while low < high {
      let middle = (low + high) / 2
      if reaches(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
