import Statistics
import Testing

/// Paired comparisons against scipy's.
@Suite struct PairedComparisonTests {
  @Test("A paired comparison is scipy's t test over the seeds that both have")
  func paired() throws {
    for row in try ComparisonReference().paired {
      let comparison = try PairedComparison(row.subject, minus: row.reference)
      #expect(comparison.seeds == row.seeds)
      #expect(comparison.onlySubject == row.onlySubject)
      #expect(comparison.onlyReference == row.onlyReference)
      #expect(comparison.differences.n == row.seeds.count)
      let estimate = try #require(comparison.estimate)
      #expect(isClose(comparison.differences.mean, row.mean))
      #expect(isClose(estimate.value, row.mean))
      #expect(isClose(estimate.t(), row.t) && estimate.df == row.df)
      #expect(isClose(estimate.twoSidedP(), row.p))
      #expect(isClose(estimate.interval(), row.interval))
      #expect(comparison.differences.interval() == estimate.interval())
    }
  }

  @Test("Fewer than two pairs are refused, and the seeds without a partner are named")
  func tooFewPairs() {
    let error = StatisticsError.tooFewPairs(1, onlySubject: [2, 5], onlyReference: [])
    #expect(throws: error) {
      try PairedComparison([5: 1, 1: 0.5, 2: 0.25], minus: [1: 0.75])
    }
    #expect("\(error)".contains("needs 2 seeds that both sides have, and here are 1"))
    #expect(throws: StatisticsError.tooFewPairs(0, onlySubject: [], onlyReference: [])) {
      try PairedComparison([:], minus: [:])
    }
  }

  @Test("Differences that are equal but for rounding have no test")
  func noScatter() throws {
    // Both are 0.0003, and as doubles differ in their last bits.
    let comparison = try PairedComparison(
      [1: 0.9123, 2: 0.8456, 3: 0.3003], minus: [1: 0.9120, 2: 0.8453, 3: 0.3])
    #expect(comparison.differences.deviation != 0)
    #expect(comparison.estimate == nil)
    #expect(throws: StatisticsError.noScatter(count: 3)) {
      try Equivalence(comparison, margin: 0.01)
    }
    #expect(throws: StatisticsError.noScatter(count: 3)) {
      try NonInferiority(comparison, margin: 0.01)
    }
    let finest = try PairedComparison([1: 0.5, 2: 0.5], minus: [1: 0.5, 2: 0.5 + 1e-12])
    #expect(finest.estimate != nil)
  }
}
