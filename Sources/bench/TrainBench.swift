import ArgumentParser
import Experiments
import NeuralNet
import Tensors

/// Images per second of one training step: forward, loss, backward and update, on random images.
struct TrainBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Times training steps on random images.")

  @Option(help: "mlp, cnn or wrn-DEPTH-WIDTH") var network = "wrn-16-4"
  @Option(help: "Images a step, one ghost batch.") var batch = 128
  @Option(help: "Height and width of the images.") var size = 32
  @Option(help: "Channels of the images.") var channels = 3
  @Option(help: "Threads.") var threads = 2
  @Option(help: "Steps that are timed, after two that are not.") var steps = 7
  @Flag(help: "One JSON line instead of text.") var json = false

  func run() throws {
    let grid = try Grid(document: [
      "name": "bench", "dataset": "cifar-10", "network": .string(network), "epochs": 1,
      "optimizer": [
        "name": "momentum", "learning_rate": .number("0.1"), "weight_decay": .number("5e-4"),
      ],
      "batch": ["size": .integer(batch), "ghost": .integer(batch)], "schedule": "constant",
    ])
    let spec = grid.runs[0].spec.training
    let input = Extent(height: size, width: size, channels: channels)
    guard let network = Network(spec.network, input: input, classes: 10) else {
      throw ValidationError("\(self.network) can only be planned")
    }
    let team = Team(size: threads)
    defer { team.close() }
    let executor = Executor(network, capacity: batch, team: team)
    let (parameters, statistics) = (network.initialParameters(seed: 1), network.initialStatistics())
    let optimizer = Optimizer(spec.optimizer, network: network)
    let random = Philox(seed: 1, purpose: .syntheticData)
    for i in 0..<batch * input.count { executor.input[i] = Float(random.uniform(UInt64(i)) - 0.5) }
    let labels = (0..<batch).map { Int32(random.below(10, UInt64($0), stream: 1)) }
    var times: [Double] = []
    for step in 0..<steps + 2 {
      let start = ContinuousClock.now
      executor.forward(.training, images: batch, parameters: parameters, statistics: statistics)
      _ = executor.loss(labels: labels, smoothing: 0, training: true)
      executor.backward(images: batch, parameters: parameters, statistics: statistics)
      executor.foldStatistics(into: statistics)
      optimizer.step(
        parameters: parameters, gradient: executor.gradients, rate: 0.1,
        momentum: spec.optimizer.momentum, step: step + 1, team: team)
      if step >= 2 { times.append((ContinuousClock.now - start) / .seconds(1)) }
    }
    let median = times.sorted()[times.count / 2]
    let speed = (Double(batch) / median * 10).rounded() / 10
    let result: JSON = [
      "network": .string(self.network), "batch": .integer(batch), "size": .integer(size),
      "channels": .integer(channels), "threads": .integer(threads),
      "images_per_second": .real(speed),
      "parameters": .integer(network.parameterCount), "kernels": .string(kernelDescription),
    ]
    if json {
      print(result.encoded())
    } else {
      print(
        "\(self.network), batch \(batch), \(threads) threads: \(speed) images/s (\(kernelDescription))"
      )
    }
  }
}
