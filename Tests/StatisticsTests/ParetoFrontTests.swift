import Statistics
import Testing

/// Pareto fronts against a sweep in order of cost.
@Suite struct ParetoFrontTests {
  private struct Reference: Decodable {
    struct Case: Decodable {
      let points: [[Double]]
      let places: [Int]
    }
    let cases: [Case]
  }

  @Test("The points that none dominates stay, equal ones all, in the order given")
  func references() throws {
    let reference: Reference = try fixture("fronts")
    for row in reference.cases {
      let places = ParetoFront.places(of: row.points.map { (cost: $0[0], value: $0[1]) })
      #expect(places == row.places)
    }
  }
}
