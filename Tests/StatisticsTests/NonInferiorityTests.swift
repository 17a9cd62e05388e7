import Statistics
import Testing

/// One-sided tests at a margin against scipy's.
@Suite struct NonInferiorityTests {
  @Test("Non-inferiority is scipy's one-sided test")
  func nonInferiority() throws {
    for row in try ComparisonReference().paired {
      let comparison = try PairedComparison(row.subject, minus: row.reference)
      for expected in row.tests {
        let test = try NonInferiority(comparison, margin: expected.margin, alpha: expected.alpha)
        #expect(isClose(test.p, expected.lowerP))
        #expect(isClose(test.interval.low, expected.interval.low, scale: abs(row.mean)))
        #expect(test.verdict.rawValue == expected.nonInferiority)
      }
    }
  }

  @Test("A margin must be above 0", arguments: [0, -0.01, .infinity])
  func margins(margin: Double) throws {
    let comparison = try PairedComparison([1: 0.5, 2: 0.75], minus: [1: 0.25, 2: 0.625])
    #expect(throws: StatisticsError.noMargin(margin)) {
      try NonInferiority(comparison, margin: margin)
    }
  }
}
