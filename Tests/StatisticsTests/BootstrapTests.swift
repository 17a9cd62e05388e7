import Statistics
import Testing

/// Bootstrap intervals against scipy's on stored resamples, and how often they hold.
@Suite struct BootstrapTests {
  private struct Reference: Decodable {
    struct Case: Decodable {
      let values: [Double]
      let indices: [[Int]]
      let bca: ExpectedInterval
    }
    struct Seeded: Decodable {
      let seed, resamples: Int
      let values: [Double]
      let bca: ExpectedInterval
    }
    let cases: [Case]
    let seeded: [Seeded]
  }

  private struct Simulated: Decodable {
    struct Row: Decodable {
      let population, method: String
      let coverage: Double
    }
    let rows: [Row]
  }

  @Test("BCa intervals are scipy's on the same resamples")
  func references() throws {
    let reference: Reference = try fixture("bootstrap")
    for row in reference.cases {
      let bootstrap = try Bootstrap(row.values, indices: row.indices)
      let confidence = row.bca.confidence
      #expect(isClose(bootstrap.interval(confidence: confidence), row.bca))
    }
  }

  @Test("A seed draws the resamples of SplitMix64")
  func seeds() throws {
    let reference: Reference = try fixture("bootstrap")
    for row in reference.seeded {
      let bootstrap = try Bootstrap(row.values, resamples: row.resamples, seed: row.seed)
      #expect(isClose(bootstrap.interval(), row.bca), "seed \(row.seed)")
    }
  }

  @Test("It is refused below 20 values, and says why")
  func tooFew() {
    let values = (0..<19).map(Double.init)
    #expect(throws: StatisticsError.tooFewForBootstrap(19)) { try Bootstrap(values, seed: 1) }
    #expect(throws: StatisticsError.tooFewForBootstrap(0)) { try Bootstrap([], indices: []) }
    #expect("\(StatisticsError.tooFewForBootstrap(19))".contains("needs 20 values"))
  }

  @Test("It is refused where all values are equal")
  func noScatter() {
    #expect(throws: StatisticsError.noScatter(count: 20)) {
      try Bootstrap(Array(repeating: 0.1, count: 20), seed: 1)
    }
  }

  @Test("Resamples with the sample's mean are ties, in whatever order they are summed")
  func ties() throws {
    // Two values only: many resamples have ten of each, and their sums differ in the last bits.
    let values = (0..<20).map { $0 % 2 == 0 ? 0.1 : 0.7 }
    let bootstrap = try Bootstrap(values, resamples: 2000, seed: 3)
    let mirrored = try Bootstrap(values.map { 0.8 - $0 }, resamples: 2000, seed: 3)
    let (one, other) = (bootstrap.interval(), mirrored.interval())
    #expect(isClose(one.low, 0.8 - other.high) && isClose(one.high, 0.8 - other.low))
  }

  @Test("The stated coverage is what the simulation found")
  func statedCoverage() throws {
    let simulated: Simulated = try fixture("coverage")
    for population in Bootstrap.Population.allCases {
      let row = try #require(
        simulated.rows.first { $0.method == "bca" && $0.population == population.rawValue })
      #expect(abs(Bootstrap.coverage(of: population) - row.coverage) <= 0.0005)
    }
  }

  @Test("The stated coverage is what our intervals have", arguments: Bootstrap.Population.allCases)
  func coverage(population: Bootstrap.Population) throws {
    var draws = Draws(seed: 2026)
    let simulations = 1500
    var held = 0
    for simulation in 0..<simulations {
      let values = (0..<Bootstrap.fewestValues).map { _ in
        population == .normal ? draws.normal() : draws.exponential()
      }
      let bootstrap = try Bootstrap(values, resamples: 400, seed: simulation)
      if bootstrap.interval().contains(population == .normal ? 0 : 1) { held += 1 }
    }
    let share = Double(held) / Double(simulations)
    let stated = Bootstrap.coverage(of: population)
    // Three standard errors of a share of 1500.
    #expect(abs(share - stated) < 0.022, "\(share), stated \(stated)")
  }
}
