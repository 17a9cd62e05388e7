import Statistics
import Testing

/// Bands over curves against scipy's intervals at each point.
@Suite struct BandTests {
  private struct Reference: Decodable {
    struct Point: Decodable {
      let samples, n: Int
      let mean: Double
      let interval: ExpectedInterval?
    }
    let curves: [[[Double]]]
    let confidence: Double
    let points: [Point]
  }

  @Test("Curves meet at equal samples only, and each point tells how many they are")
  func references() throws {
    let reference: Reference = try fixture("bands")
    let curves = reference.curves.map { $0.map { (samples: Int($0[0]), value: $0[1]) } }
    let band = try Band(curves, confidence: reference.confidence)
    #expect(band.points.map(\.samples) == reference.points.map(\.samples))
    for (point, expected) in zip(band.points, reference.points) {
      #expect(point.values.n == expected.n && isClose(point.values.mean, expected.mean))
      if let interval = expected.interval {
        #expect(isClose(point.interval, interval))
      } else {
        #expect(point.interval == nil)
      }
    }
  }

  @Test("No curves have no points")
  func none() throws {
    #expect(try Band([]).points.isEmpty)
    #expect(try Band([[], []]).points.isEmpty)
  }

  @Test("A curve with two values at one point is refused")
  func repeated() {
    #expect(throws: StatisticsError.repeatedPoint(curve: 1, samples: 500)) {
      try Band([[(500, 0.5)], [(500, 0.5), (750, 0.5), (500, 0.75)]])
    }
  }
}
