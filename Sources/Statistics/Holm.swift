/// Several tests at once, with the chance of any false rejection kept at α: Holm's step-down
/// correction (1979), which holds however the tests depend on each other.
package struct Holm: Equatable, Sendable {
  /// In the order of the p-values given: the lowest α at which each would be rejected.
  package let adjusted: [Double]

  package init(_ pValues: [Double]) {
    precondition(
      pValues.allSatisfy { 0 <= $0 && $0 <= 1 }, "a p-value lies in [0, 1]: \(pValues)")
    var adjusted = pValues
    var highest = 0.0
    let order = pValues.indices.sorted { pValues[$0] < pValues[$1] }
    for (rank, index) in order.enumerated() {
      highest = max(highest, min(1, Double(pValues.count - rank) * pValues[index]))
      adjusted[index] = highest
    }
    self.adjusted = adjusted
  }
}
