import Statistics
import Testing

/// Holm's correction against the closure of Bonferroni's test.
@Suite struct HolmTests {
  private struct Reference: Decodable {
    struct Corrected: Decodable {
      let p, adjusted: [Double]
    }
    let holm: [Corrected]
  }

  private let reference: Reference

  init() throws { reference = try fixture("corrections") }

  @Test("Holm's adjusted p-values are those of the closed test, in the order given")
  func holm() {
    for row in reference.holm {
      let holm = Holm(row.p)
      #expect(holm.adjusted.count == row.p.count)
      #expect(zip(holm.adjusted, row.adjusted).allSatisfy { isClose($0, $1) }, "\(row.p)")
    }
  }
}
