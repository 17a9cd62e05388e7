import Datasets
import Experiments
import Foundation
import NeuralNet
import Tensors
import Testing
import Values

/// The same parameters come out whatever the number of threads: for every network and optimizer.
@Suite struct ThreadTests {
  private func digest(
    _ spec: NetworkSpec, _ optimizer: JSON, side: Int, ghost: Int, threads: Int, start: Floats
  ) throws -> String {
    let grid = try Grid(document: [
      "name": "g", "dataset": "cifar-10", "network": "cnn", "epochs": 1, "optimizer": optimizer,
      "batch": ["size": .integer(ghost), "ghost": .integer(ghost)], "schedule": "constant",
    ])
    let network = Network(
      spec, input: Extent(height: side, width: side, channels: 3), classes: 10)
    let team = Team(size: threads)
    defer { team.close() }
    team.width = threads
    let executor = Executor(network, capacity: ghost, team: team)
    let (parameters, statistics) = (
      Floats(count: network.parameterCount), network.initialStatistics()
    )
    parameters.copy(from: start)
    let run = grid.settings[0].spec
    let rule = Optimizer(run.training.optimizer, network: network)
    let random = Philox(seed: 5, purpose: .syntheticData)
    let count = ghost * network.input.count
    for step in 1...2 {
      for i in 0..<count {
        executor.input[i] = Float(random.uniform(UInt64(step * count + i)) - 0.5)
      }
      let labels = (0..<ghost).map { Int32($0 % 10) }
      executor.forward(
        .training, images: ghost, parameters: parameters, statistics: statistics)
      _ = executor.loss(labels: labels, smoothing: 0, training: true)
      executor.backward(images: ghost, parameters: parameters, statistics: statistics)
      executor.foldStatistics(into: statistics)
      rule.step(
        parameters: parameters, gradient: executor.gradients, rate: 0.01, momentum: run.momentum,
        step: step, team: team)
    }
    let stream = Digest.Stream()
    for floats in [parameters, statistics] {
      stream.add(UnsafeRawBufferPointer(start: floats.base, count: 4 * floats.count))
    }
    return stream.finished()
  }

  private func check(_ spec: NetworkSpec, _ optimizer: JSON, side: Int, ghost: Int) throws {
    let input = Extent(height: side, width: side, channels: 3)
    let start = Network(spec, input: input, classes: 10).initialParameters(seed: 3)
    let alone = try digest(spec, optimizer, side: side, ghost: ghost, threads: 1, start: start)
    for threads in [2, 3, 4, 7] {
      let together = try digest(
        spec, optimizer, side: side, ghost: ghost, threads: threads, start: start)
      #expect(together == alone, "\(threads) threads")
    }
  }

  private static let momentum: JSON = [
    "name": "momentum", "learning_rate": .number("0.01"), "weight_decay": .number("5e-4"),
  ]

  @Test(arguments: [
    (NetworkSpec.mlp(hidden: [40, 30]), 9, 11), (.cnn, 13, 11),
    (.wideResNet(depth: 10, width: 1), 14, 9), (.wideResNet(depth: 16, width: 4), 16, 5),
    (.resNet50(zeroGamma: false), 40, 3), (.inceptionResNetV2(zeroGamma: false), 75, 2),
  ])
  func everyNetworkEndsInTheSameBits(spec: NetworkSpec, side: Int, ghost: Int) throws {
    try check(spec, ThreadTests.momentum, side: side, ghost: ghost)
  }

  @Test(arguments: ["sgd", "momentum", "nesterov", "adam", "lars"])
  func everyOptimizerEndsInTheSameBits(name: String) throws {
    let optimizer: JSON = [
      "name": .string(name), "learning_rate": .number("0.01"), "weight_decay": .number("5e-4"),
    ]
    try check(.cnn, optimizer, side: 13, ghost: 11)
  }
}
