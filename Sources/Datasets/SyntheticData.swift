import Experiments
import Foundation
import Tensors
import Values

/// Pictures that exist only as a function of a seed: a smooth prototype a class, moved by up to a
/// pixel, under noise. Learnable, but not separable at once.
enum SyntheticData {
  static func load(_ shape: DatasetSpec.Synthetic, _ spec: DatasetSpec) throws(DatasetError)
    -> Dataset
  {
    guard let facts = spec.builtInFacts else {
      throw .damaged(file: "synthetic", reason: "has no shape")
    }
    let random = Philox(seed: shape.seed, purpose: .syntheticData)
    let prototypes = (0..<shape.classes).map { prototype($0, shape, random) }
    func samples(_ count: Int, stream: UInt32) -> Samples {
      var labels: [Int32] = []
      var values: [Float] = []
      let size = shape.height * shape.width * shape.channels
      let noise = shape.noise.double
      values.reserveCapacity(count * size)
      for i in 0..<count {
        let label = random.below(shape.classes, UInt64(i), stream: stream)
        let move = random.words(UInt64(i), stream: stream + 1)
        let (dy, dx) = (Int(move[0] % 3), Int(move[1] % 3))
        labels.append(Int32(label))
        for y in 0..<shape.height {
          for x in 0..<shape.width {
            for c in 0..<shape.channels {
              let (sy, sx) = ((y + dy) % shape.height, (x + dx) % shape.width)
              let signal = prototypes[label][(sy * shape.width + sx) * shape.channels + c]
              let at = (y * shape.width + x) * shape.channels + c
              let grain = random.normal(UInt64(i * size + at), stream: stream + 2)
              values.append(Float(signal + noise * grain))
            }
          }
        }
      }
      return Samples(storage: .floats(values), labels: labels)
    }
    return try Dataset(
      spec: spec, facts: facts, train: samples(facts.train, stream: 16),
      test: samples(facts.test, stream: 32))
  }

  /// A sum of three waves with random directions and phases, of unit power.
  private static func prototype(
    _ label: Int, _ shape: DatasetSpec.Synthetic, _ random: Philox
  ) -> [Double] {
    var values: [Double] = []
    for y in 0..<shape.height {
      for x in 0..<shape.width {
        for c in 0..<shape.channels {
          var sum = 0.0
          for wave in 0..<3 {
            let counter = UInt64((label * 64 + c) * 3 + wave)
            let fy = Double(random.below(4, counter, stream: 1))
            let fx = Double(random.below(4, counter, stream: 2))
            let phase = random.uniform(counter, stream: 3)
            let angle = fy * Double(y) / Double(shape.height) + fx * Double(x) / Double(shape.width)
            sum += cos(2 * Double.pi * (angle + phase))
          }
          values.append(sum * (2.0 / 3).squareRoot())
        }
      }
    }
    return values
  }
}
