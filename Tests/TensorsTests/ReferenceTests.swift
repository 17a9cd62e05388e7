import Tensors
import TestSupport
import Testing

/// Fast operations against the definition, in double precision, at sizes that fit no block.
@Suite struct ReferenceTests {
  private let random = Philox(seed: 11, purpose: .selfCheck)

  private func numbers(_ count: Int, _ stream: UInt32) -> [Float] {
    (0..<count).map { Float(2 * random.uniform(UInt64($0), stream: stream) - 1) }
  }

  @Test(arguments: [1, 5, 7, 33, 100]) func momentsAreTheirDefinition(channels: Int) {
    let team = Team(size: 2)
    defer { team.close() }
    let (images, pixels) = (5, 11)
    // A large mean: a one-pass variance would lose everything here.
    let x = numbers(images * pixels * channels, 4).map { $0 + 300 }
    let storage = floats(x)
    let found = withExtendedLifetime(storage) {
      BatchNormalization(channels: channels, relu: false)
        .statistics(of: storage.base, images: images, pixels: pixels, team: team)
    }
    for c in 0..<channels {
      let column = stride(from: c, to: x.count, by: channels).map { Double(x[$0]) }
      let mean = column.reduce(0, +) / Double(column.count)
      let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(column.count)
      #expect(abs(found.mean[c] - mean) < 1e-6 * abs(mean))
      #expect(abs(found.variance[c] - variance) < 1e-5 * variance)
    }
  }
}
