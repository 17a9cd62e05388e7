import Statistics
import Testing

/// The gamma and beta functions and the beta law against scipy's.
@Suite struct BetaTests {
  private struct Reference: Decodable {
    struct LogGamma: Decodable {
      let x, value: Double
    }
    struct LogBeta: Decodable {
      let a, b, value: Double
    }
    struct Beta: Decodable {
      let a, b, x, cumulative, survival: Double
    }
    struct BetaQuantile: Decodable {
      let a, b, p, lower, upper: Double
    }
    let logGamma: [LogGamma]
    let logBeta: [LogBeta]
    let beta: [Beta]
    let betaQuantiles: [BetaQuantile]
  }

  private let reference: Reference

  init() throws { reference = try fixture("distributions") }

  @Test("The logarithms of the gamma and beta functions are scipy's")
  func logarithms() {
    for row in reference.logGamma {
      #expect(isClose(logGamma(row.x), row.value), "ln Γ(\(row.x))")
    }
    for row in reference.logBeta {
      #expect(isClose(logBeta(row.a, row.b), row.value), "ln B(\(row.a), \(row.b))")
    }
  }

  @Test("The beta law has scipy's shares and quantiles")
  func beta() {
    for row in reference.beta {
      let beta = Beta(row.a, row.b)
      let place = "shapes \(row.a), \(row.b) at \(row.x)"
      #expect(isClose(beta.cumulative(row.x), row.cumulative), "cumulative, \(place)")
      #expect(isClose(beta.survival(row.x), row.survival), "survival, \(place)")
    }
    for row in reference.betaQuantiles {
      let beta = Beta(row.a, row.b)
      let place = "shapes \(row.a), \(row.b) at \(row.p)"
      #expect(isClose(beta.quantile(lower: row.p), row.lower), "lower, \(place)")
      #expect(isClose(beta.quantile(upper: row.p), row.upper), "upper, \(place)")
    }
  }
}
