import ArgumentParser
import Datasets
import Experiments
import Foundation
import NeuralNet
import Tensors
import Training
import Values

/// Images per second of one training step: forward, loss, backward and update, on random images.
struct TrainBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Times training steps on random images.")

  @Option(help: "mlp, cnn, wrn-DEPTH-WIDTH, resnet-50 or inception-resnet-v2") var network =
    "wrn-16-4"
  @Option(help: "Images a step, one ghost batch.") var batch = 128
  @Option(help: "Height and width of the images; by default those of the network's paper.")
  var size: Int?
  @Option(help: "Channels of the images.") var channels = 3
  @Option(help: "Threads.") var threads = 2
  @Option(help: "Steps that are timed, after two that are not.") var steps = 7
  @Flag(help: "Also where the time goes, operation by operation.") var operations = false
  @Flag(help: "One JSON line instead of text.") var json = false

  func run() throws {
    let step = try TrainingStep(
      network: network, batch: batch, size: size, channels: channels, threads: threads)
    defer { step.close() }
    let peak = Peak.flops()
    for _ in 0..<2 { step.run() }
    let watch = operations ? Stopwatch(step.executor) : nil
    let times = (0..<steps).map { _ in
      watch?.begin()
      let start = ContinuousClock.now
      step.run()
      return (ContinuousClock.now - start) / .seconds(1)
    }
    let median = times.sorted()[times.count / 2]
    let speed = (Double(batch) / median * 10).rounded() / 10
    let best = (Double(batch) / (times.min() ?? median) * 10).rounded() / 10
    let rate = step.flopsPerImage * Double(batch) / median
    let share = rate / (peak * Double(threads))
    if json {
      let result: JSON = [
        "network": .string(network), "batch": .integer(batch), "size": .integer(step.size),
        "channels": .integer(channels), "threads": .integer(threads),
        "images_per_second": .real(speed), "best": .real(best),
        "gflops": .real(rate / 1e9), "peak_gflops": .real(peak * Double(threads) / 1e9),
        "peak_share": .real(share), "peak_memory_bytes": .integer(peakMemory()),
        "parameters": .integer(step.network.parameterCount), "kernels": .string(kernelDescription),
      ]
      print(result.encoded())
    } else {
      print(
        "\(network), batch \(batch), \(step.size)x\(step.size)x\(channels), \(threads) threads: "
          + "\(speed) images/s, at best \(best)")
      print(
        "  \(Int(rate / 1e9)) GFLOP/s direct-equivalent, \(Int(100 * share)) % of the peak; "
          + "\(peakMemory() >> 20) MiB; \(kernelDescription)")
    }
    watch?.report(steps: steps, batch: batch, asJSON: json)
  }
}

/// A network with all that a training step needs, filled at random.
final class TrainingStep {
  let network: Network
  let executor: Executor
  let size: Int
  private let batch: Int
  private let team: Team
  let (parameters, statistics): (Floats, Floats)
  let optimizer: Optimizer
  private let momentum: Rational?
  private let labels: [Int32]
  private var steps = 0

  init(network name: String, batch: Int, size: Int?, channels: Int, threads: Int) throws {
    let grid = try Grid(document: [
      "name": "bench", "dataset": "cifar-10", "network": .string(name), "epochs": 1,
      "optimizer": [
        "name": "momentum", "learning_rate": .number("0.1"), "weight_decay": .number("5e-4"),
      ],
      "batch": ["size": .integer(batch), "ghost": .integer(batch)], "schedule": "constant",
    ])
    guard let training = grid.settings[0].spec.training.native else {
      throw ValidationError("no network")
    }
    let (side, classes) =
      switch training.network {
      case .resNet50: (224, 1000)
      case .inceptionResNetV2: (299, 1000)
      default: (32, 10)
      }
    self.size = size ?? side
    let input = Extent(height: self.size, width: self.size, channels: channels)
    network = Network(training.network, input: input, classes: classes)
    self.batch = batch
    momentum = grid.settings[0].spec.momentum
    team = Team(size: threads)
    team.width = threads
    executor = Executor(network, capacity: batch, team: team)
    (parameters, statistics) = (network.initialParameters(seed: 1), network.initialStatistics())
    optimizer = Optimizer(training.optimizer, network: network)
    let random = Philox(seed: 1, purpose: .syntheticData)
    for i in 0..<batch * input.count { executor.input[i] = Float(random.uniform(UInt64(i)) - 0.5) }
    labels = (0..<batch).map { Int32(random.below(classes, UInt64($0), stream: 1)) }
  }

  func close() { team.close() }

  func run() {
    steps += 1
    executor.forward(.training, images: batch, parameters: parameters, statistics: statistics)
    _ = executor.loss(labels: labels, smoothing: 0, training: true)
    executor.backward(images: batch, parameters: parameters, statistics: statistics)
    executor.foldStatistics(into: statistics)
    optimizer.step(
      parameters: parameters, gradient: executor.gradients, rate: 0.1, momentum: momentum,
      step: steps, team: team)
  }

  /// Operations of the convolutions and linear layers by their definition: forward, and both ways
  /// backward.
  var flopsPerImage: Double { 3 * 2 * Double(network.products) }
}

/// Where the time of the steps goes.
final class Stopwatch {
  private var last = ContinuousClock.now
  private var seconds: [String: [Executor.Step: Double]] = [:]
  private var order: [String] = []

  init(_ executor: Executor) {
    executor.observer = { [unowned self] node, step in
      let now = ContinuousClock.now
      if seconds[node.name] == nil { order.append(node.name) }
      seconds[node.name, default: [:]][step, default: 0] += (now - last) / .seconds(1)
      last = now
    }
  }

  func begin() { last = .now }

  func report(steps: Int, batch: Int, asJSON: Bool) {
    let scale = 1e6 / Double(steps * batch)
    for name in order {
      let times = seconds[name] ?? [:]
      if asJSON {
        let members = times.map { JSON.Member($0.key.rawValue, .real($0.value * scale)) }
        print(
          JSON.object(
            [.init("operation", .string(name)), .init("unit", "microseconds an image")]
              + members.sorted { $0.key < $1.key }
          ).encoded())
      } else {
        let text = times.sorted { $0.key.rawValue < $1.key.rawValue }
          .map { "\($0.key.rawValue) \(($0.value * scale * 10).rounded() / 10)" }
        print("  \(name.padding(28)) \(text.joined(separator: "  "))  us an image")
      }
    }
  }
}
