import Statistics

/// scipy's t tests, as the tests of comparisons, equivalence and non-inferiority read them.
struct ComparisonReference: Decodable {
  struct Paired: Decodable {
    let subject, reference: [Int: Double]
    let seeds, onlySubject, onlyReference: [Int]
    let mean, t, df, p: Double
    let interval: ExpectedInterval
    let tests: [MarginTest]
  }
  struct MarginTest: Decodable {
    let margin, alpha, lowerP, upperP, p: Double
    let interval: ExpectedInterval
    let equivalence, nonInferiority: String
  }
  struct Unpaired: Decodable {
    let subject, reference: [Int: Double]
    let difference, t, df, p: Double
    let interval: ExpectedInterval
  }
  let paired: [Paired]
  let unpaired: [Unpaired]

  init() throws { self = try fixture("comparisons") }
}
