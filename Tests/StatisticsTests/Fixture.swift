import Foundation
import Statistics
import TestSupport

/// Inputs and outputs of scipy, in Tests/Fixtures/statistics; generate.py beside them made both.
func fixture<Content: Decodable>(_ name: String) throws -> Content {
  let file = repository.appending(path: "Tests/Fixtures/statistics/\(name).json")
  return try JSONDecoder().decode(Content.self, from: Data(contentsOf: file))
}

struct ExpectedInterval: Decodable {
  let low: Double
  let high: Double
  let confidence: Double
}

/// To 1e-9, relative to the reference or to the scale of what was added up to it; absolute for 0.
func isClose(_ value: Double?, _ reference: Double, scale: Double = 0) -> Bool {
  guard let value else { return false }
  let size = max(abs(reference), scale)
  return abs(value - reference) <= 1e-9 * (size == 0 ? 1 : size)
}

func isClose(_ interval: Interval?, _ reference: ExpectedInterval, scale: Double = 0) -> Bool {
  interval?.confidence == reference.confidence
    && isClose(interval?.low, reference.low, scale: scale)
    && isClose(interval?.high, reference.high, scale: scale)
}

/// Random values that the module under test has no part in: Marsaglia's xorshift64* (2003).
struct Draws {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// In (0, 1).
  mutating func uniform() -> Double {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return (Double((state &* 0x2545_F491_4F6C_DD1D) >> 11) + 0.5) * 0x1p-53
  }

  /// Standard normal (Box and Muller 1958).
  mutating func normal() -> Double {
    let radius = (-2 * log(uniform())).squareRoot()
    return radius * cos(2 * Double.pi * uniform())
  }

  mutating func exponential() -> Double { -log(uniform()) }
}
