import Experiments
import NeuralNet
import Tensors
import Testing

/// Gradients of whole networks against differences of the loss: what no reference of ours can be wrong
/// about in the same way.
@Suite struct GradientTests {
  @Test(arguments: [
    (NetworkSpec.mlp(hidden: [12]), 5), (.cnn, 9), (.wideResNet(depth: 10, width: 1), 8),
  ])
  func gradientsAreTheSlopesOfTheLoss(spec: NetworkSpec, side: Int) {
    let images = 6
    let network = Network(
      spec, input: Extent(height: side, width: side, channels: 2), classes: 4)
    let team = Team(size: 1)
    let executor = Executor(network, capacity: images, team: team)
    let (parameters, statistics) = (
      network.initialParameters(seed: 9), network.initialStatistics()
    )
    // Norms that turn their channels round, as training may make them.
    for gamma in network.parameters where gamma.kind == .gamma {
      for c in stride(from: 0, to: gamma.count, by: 3) { parameters.base[gamma.offset + c] = -0.7 }
    }
    let random = Philox(seed: 2, purpose: .selfCheck)
    for i in 0..<images * network.input.count {
      executor.input[i] = Float(2 * random.uniform(UInt64(i)) - 1)
    }
    let labels = (0..<images).map { Int32($0 % 4) }
    func loss() -> Double {
      executor.forward(
        .training, images: images, parameters: parameters, statistics: statistics)
      let result = executor.loss(labels: labels, smoothing: 0, training: true)
      return result.loss.reduce(0, +) / Double(images)
    }
    _ = loss()
    executor.backward(images: images, parameters: parameters, statistics: statistics)
    let gradient = executor.gradients.values
    let length = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    // Along the gradient and along random directions: single precision carries a few digits of them.
    for direction in 0..<4 {
      let along: [Double] = gradient.indices.map {
        direction == 0
          ? Double(gradient[$0]) / length
          : random.normal(UInt64($0), stream: UInt32(direction))
            / Double(gradient.count).squareRoot()
      }
      let slope = zip(gradient, along).reduce(0) { $0 + Double($1.0) * $1.1 }
      let start = parameters.values
      let step = 2e-3
      func moved(_ factor: Double) -> Double {
        parameters.values = zip(start, along).map { Float(Double($0) + factor * step * $1) }
        return loss()
      }
      let difference = (moved(1) - moved(-1)) / (2 * step)
      parameters.values = start
      #expect(
        abs(difference - slope) < 0.02 * abs(slope) + 2e-3 * length,
        "direction \(direction): \(difference) for \(slope)")
    }
  }
}
