/// Which of several choices are worth their cost.
package enum ParetoFront {
  /// The places of the points that no other point dominates, in the order given. A point dominates
  /// another that costs no less and is worth no more, unless both are equal: of equal points all
  /// stay.
  package static func places(of points: [(cost: Double, value: Double)]) -> [Int] {
    precondition(
      points.allSatisfy { !$0.cost.isNaN && !$0.value.isNaN }, "costs and values are numbers")
    return points.indices.filter { place in
      let point = points[place]
      return !points.contains { other in
        other.cost <= point.cost && other.value >= point.value
          && (other.cost < point.cost || other.value > point.value)
      }
    }
  }
}
