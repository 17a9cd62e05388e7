import Statistics
import Testing

/// The normal law against scipy's.
@Suite struct NormalTests {
  private struct Reference: Decodable {
    struct Normal: Decodable {
      let x, density, cumulative, survival: Double
    }
    struct NormalQuantile: Decodable {
      let p, quantile: Double
    }
    let normal: [Normal]
    let normalQuantiles: [NormalQuantile]
  }

  private let reference: Reference

  init() throws { reference = try fixture("distributions") }

  @Test("The normal law has scipy's density, shares and quantiles")
  func normal() {
    for row in reference.normal {
      #expect(isClose(Normal.density(row.x), row.density), "density at \(row.x)")
      #expect(isClose(Normal.cumulative(row.x), row.cumulative), "cumulative at \(row.x)")
      #expect(isClose(Normal.survival(row.x), row.survival), "survival at \(row.x)")
    }
    for row in reference.normalQuantiles {
      #expect(isClose(Normal.quantile(row.p), row.quantile), "quantile at \(row.p)")
    }
  }
}
