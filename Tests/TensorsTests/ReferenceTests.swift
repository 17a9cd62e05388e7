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
    let (images, pixels) = (5, 11)
    // A large mean: a one-pass variance would lose everything here.
    let x = numbers(images * pixels * channels, 4).map { $0 + 300 }
    let storage = floats(x)
    let moments = Moments(channels: channels)
    withExtendedLifetime(storage) {
      moments.gather(storage.base, images: images, pixels: pixels)
    }
    let found = moments.merged()
    for c in 0..<channels {
      let column = stride(from: c, to: x.count, by: channels).map { Double(x[$0]) }
      let mean = column.reduce(0, +) / Double(column.count)
      let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(column.count)
      #expect(abs(found.mean[c] - mean) < 1e-6 * abs(mean))
      #expect(abs(found.variance[c] - variance) < 1e-5 * variance)
    }
  }
}

extension Moments {
  /// Takes in a whole value as an operation does: piece by piece, each in two stretches.
  func gather(_ x: FloatPointer, images: Int, pixels: Int) {
    let cut = Cut(images)
    begin()
    for piece in 0..<cut.pieces {
      let rows = cut[piece].lowerBound * pixels..<cut[piece].upperBound * pixels
      let middle = rows.lowerBound + (rows.count + 1) / 2
      gather(x + rows.lowerBound * channels, count: middle - rows.lowerBound, piece: piece)
      if middle < rows.upperBound {
        gather(x + middle * channels, count: rows.upperBound - middle, piece: piece)
      }
    }
  }
}
