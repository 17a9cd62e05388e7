import Statistics
import Testing

/// Two one-sided tests against scipy's, alone and united.
@Suite struct EquivalenceTests {
  @Test("Equivalence is scipy's two one-sided tests")
  func equivalence() throws {
    for row in try ComparisonReference().paired {
      let comparison = try PairedComparison(row.subject, minus: row.reference)
      for expected in row.tests {
        let test = try Equivalence(comparison, margin: expected.margin, alpha: expected.alpha)
        #expect(isClose(test.lowerP, expected.lowerP) && isClose(test.upperP, expected.upperP))
        #expect(isClose(test.p, expected.p))
        #expect(isClose(test.interval.low, expected.interval.low, scale: abs(row.mean)))
        #expect(isClose(test.interval.high, expected.interval.high, scale: abs(row.mean)))
        #expect(isClose(test.interval.confidence, 1 - 2 * expected.alpha))
        #expect(test.verdict.rawValue == expected.equivalence)
      }
    }
  }

  @Test("A margin must be above 0", arguments: [0, -0.01, .infinity])
  func margins(margin: Double) throws {
    let comparison = try PairedComparison([1: 0.5, 2: 0.75], minus: [1: 0.25, 2: 0.625])
    #expect(throws: StatisticsError.noMargin(margin)) {
      try Equivalence(comparison, margin: margin)
    }
  }

  @Test("Several pairs are equivalent when each is, with the worst p")
  func intersectionUnion() throws {
    let reference = try ComparisonReference()
    let tests = try reference.paired.map { row in
      try Equivalence(PairedComparison(row.subject, minus: row.reference), margin: 0.01)
    }
    let expected = reference.paired.compactMap { row in
      row.tests.first { $0.margin == 0.01 && $0.alpha == 0.05 }
    }
    func union(_ places: [Int]) throws -> IntersectionUnion {
      try IntersectionUnion(places.map { tests[$0] })
    }
    let equivalent = try union([0, 1, 3])
    #expect(equivalent.verdict == .equivalent)
    #expect(isClose(equivalent.p, [0, 1, 3].map { expected[$0].p }.max() ?? 0))
    // The third pair differs by twice the margin.
    let broken = try union([0, 2, 3])
    #expect(broken.verdict == .notEquivalent)
    #expect(isClose(broken.p, expected[2].p))
    let close = try Equivalence(
      PairedComparison(reference.paired[1].subject, minus: reference.paired[1].reference),
      margin: 0.0005)
    #expect(try IntersectionUnion([tests[0], close]).verdict == .undecided)
    #expect(try IntersectionUnion([close, tests[2]]).verdict == .notEquivalent)
  }

  @Test("No tests, or tests at different α, are not combined")
  func unionsRefused() throws {
    #expect(throws: StatisticsError.nothingToCombine) { try IntersectionUnion([]) }
    let comparison = try PairedComparison([1: 0.5, 2: 0.75], minus: [1: 0.25, 2: 0.625])
    let tests = try [0.05, 0.025].map { try Equivalence(comparison, margin: 1, alpha: $0) }
    #expect(throws: StatisticsError.differentLevels([0.05, 0.025])) {
      try IntersectionUnion(tests)
    }
  }
}
