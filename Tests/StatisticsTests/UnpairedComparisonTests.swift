import Statistics
import Testing

/// Welch's test against scipy's, and what it refuses.
@Suite struct UnpairedComparisonTests {
  @Test("An unpaired comparison is scipy's Welch test")
  func unpaired() throws {
    for row in try ComparisonReference().unpaired {
      let comparison = try UnpairedComparison(
        .init(values: row.subject, stages: [1, 2]), minus: .init(values: row.reference, stages: [3])
      )
      let estimate = try #require(comparison.estimate)
      #expect(comparison.subject.n == row.subject.count)
      #expect(comparison.reference.n == row.reference.count)
      #expect(isClose(comparison.difference, row.difference, scale: estimate.standardError))
      #expect(isClose(estimate.t(), row.t) && isClose(estimate.df, row.df))
      #expect(isClose(estimate.twoSidedP(), row.p))
      #expect(isClose(estimate.interval(), row.interval, scale: estimate.standardError))
    }
  }

  @Test("Groups that share seeds or stages are refused as dependent")
  func dependent() {
    let group = UnpairedComparison.Group(values: [1: 0.5, 2: 0.75], stages: [10, 11])
    let sameSeed = UnpairedComparison.Group(values: [2: 0.5, 3: 0.75], stages: [12])
    let sameStage = UnpairedComparison.Group(values: [3: 0.5, 4: 0.75], stages: [11, 12])
    #expect(throws: StatisticsError.dependent(seeds: [2], stages: [])) {
      try UnpairedComparison(group, minus: sameSeed)
    }
    #expect(throws: StatisticsError.dependent(seeds: [], stages: [11])) {
      try UnpairedComparison(group, minus: sameStage)
    }
    #expect(throws: StatisticsError.dependent(seeds: [1, 2], stages: [10, 11])) {
      try UnpairedComparison(group, minus: group)
    }
    #expect(
      "\(StatisticsError.dependent(seeds: [2], stages: []))".contains("are not independent"))
  }

  @Test("An unpaired comparison needs two values on each side, and scatter on one")
  func smallGroups() throws {
    let one = UnpairedComparison.Group(values: [1: 0.5], stages: [])
    let two = UnpairedComparison.Group(values: [2: 0.25, 3: 0.25], stages: [])
    let equal = UnpairedComparison.Group(values: [4: 0.5, 5: 0.5], stages: [])
    #expect(throws: StatisticsError.tooFewValues(1, other: 2)) {
      try UnpairedComparison(one, minus: two)
    }
    let comparison = try UnpairedComparison(equal, minus: two)
    #expect(comparison.difference == 0.25 && comparison.estimate == nil)
  }
}
