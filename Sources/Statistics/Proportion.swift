/// k of n, such as the runs that trained.
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

  package var description: String { "\(k) of \(n)" }
}
