import Statistics
import Testing

/// Proportions' intervals against scipy's.
@Suite struct ProportionTests {
  private struct Reference: Decodable {
    struct Counted: Decodable {
      let k, n: Int
      let interval: ExpectedInterval
    }
    let proportions: [Counted]
  }

  private let reference: Reference

  init() throws { reference = try fixture("corrections") }

  @Test("A proportion's interval is scipy's exact one")
  func proportions() {
    for row in reference.proportions {
      let proportion = Proportion(row.k, of: row.n)
      #expect(proportion.share == Double(row.k) / Double(row.n))
      let interval = proportion.interval(confidence: row.interval.confidence)
      #expect(isClose(interval, row.interval), "\(proportion): \(interval)")
    }
  }

  @Test("A proportion of none is anywhere")
  func none() {
    let none = Proportion(0, of: 0)
    #expect(none.share == nil && none.description == "0 of 0")
    #expect(none.interval() == Interval(low: 0, high: 1, confidence: 0.95))
  }
}
