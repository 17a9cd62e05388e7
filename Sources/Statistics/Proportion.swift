/// k of n, such as the runs that trained, with its exact interval.
package struct Proportion: Equatable, Sendable, CustomStringConvertible {
  package let k: Int
  package let n: Int

  package init(_ k: Int, of n: Int) {
    precondition(0 <= k && k <= n, "\(k) of \(n) is no proportion")
    self.k = k
    self.n = n
  }

  /// Nil of none.
  package var share: Double? { n > 0 ? Double(k) / Double(n) : nil }

  /// Clopper and Pearson's interval (1934): it holds the true share at least as often as its
  /// confidence says. Of none it is [0, 1].
  package func interval(confidence: Double = 0.95) -> Interval {
    let tail = (1 - confidence) / 2
    let (successes, failures) = (Double(k), Double(n - k))
    return Interval(
      low: k == 0 ? 0 : Beta(successes, failures + 1).quantile(lower: tail),
      high: k == n ? 1 : Beta(successes + 1, failures).quantile(upper: tail),
      confidence: confidence)
  }

  package var description: String { "\(k) of \(n)" }
}
