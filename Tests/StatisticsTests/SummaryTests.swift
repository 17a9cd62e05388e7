import Statistics
import Testing

/// Means, deviations and Student's t intervals against scipy's, and how often the intervals hold.
@Suite struct SummaryTests {
  private struct Reference: Decodable {
    struct Case: Decodable {
      let values: [Double]
      let mean, deviation, standardError: Double
      let intervals: [ExpectedInterval]
    }
    let cases: [Case]
  }

  @Test("Mean, deviation, standard error and intervals are scipy's")
  func references() throws {
    let reference: Reference = try fixture("samples")
    for row in reference.cases {
      let summary = try #require(Summary(row.values))
      let scale = row.deviation
      #expect(summary.n == row.values.count)
      #expect(isClose(summary.mean, row.mean, scale: scale))
      #expect(isClose(summary.deviation, row.deviation), "\(row.values.prefix(12))")
      #expect(isClose(summary.standardError, row.standardError))
      for interval in row.intervals {
        #expect(
          isClose(summary.interval(confidence: interval.confidence), interval, scale: scale))
      }
    }
  }

  @Test("No value has no mean, and one value has no interval")
  func small() throws {
    #expect(Summary([]) == nil)
    let one = try #require(Summary([0.93]))
    #expect(one.n == 1 && one.mean == 0.93)
    #expect(one.deviation == nil && one.standardError == nil && one.interval() == nil)
  }

  @Test("Equal values have exactly their mean and no deviation")
  func equalValues() throws {
    for count in 2...50 {
      let summary = try #require(Summary(Array(repeating: 0.1, count: count)))
      #expect(summary.mean == 0.1 && summary.deviation == 0)
    }
  }

  @Test("A 95 % interval of normal values holds the mean 95 times in 100", arguments: [3, 5, 10])
  func coverage(n: Int) throws {
    var draws = Draws(seed: UInt64(n))
    let factor = StudentT(df: Double(n - 1)).quantile(0.975)
    let simulations = 100_000
    var held = 0
    for simulation in 0..<simulations {
      let values = (0..<n).map { _ in 7 + 3 * draws.normal() }
      let summary = try #require(Summary(values))
      let reach = factor * (summary.standardError ?? 0)
      held += abs(summary.mean - 7) <= reach ? 1 : 0
      // The quantile is the same each time, and slow in a debug build: it is solved again for a
      // few.
      guard simulation < 1000 else { continue }
      let interval = try #require(summary.interval())
      #expect(isClose(interval.high - interval.low, 2 * reach))
      #expect(interval.contains(7) == (abs(summary.mean - 7) <= reach))
    }
    let share = Double(held) / Double(simulations)
    #expect((0.945...0.955).contains(share), "\(share) of intervals of \(n) values hold the mean")
  }
}
