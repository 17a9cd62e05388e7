import Checkpoints
import Datasets
import Experiments
import Foundation
import NeuralNet
import Tensors
import Values

/// A trained network as people take it home: its parameters and running statistics, and everything else that
/// is needed to use them.
package final class Model {
  package let inputs: InputDescription
  /// What the file says of itself, such as the run that it is of.
  package let metadata: [String: String]
  private let network: Network
  private let parameters: Floats
  private let statistics: Floats

  package struct Invalid: Error, CustomStringConvertible {
    package let description: String
  }

  /// Which point of which run a model is.
  package struct Origin {
    package var grid: String
    package var run: String
    package var epoch: Double
    package var isFinished: Bool

    package init(grid: String, run: String, epoch: Double, isFinished: Bool) {
      (self.grid, self.run, self.epoch, self.isFinished) = (grid, run, epoch, isFinished)
    }
  }

  // MARK: - Export

  private static let form = "jobctl model 1"

  /// A checkpoint's model, without what only training needs: the optimizer's state, partial sums of
  /// gradients, sums of the measurement under way. `metadata` says of each array how its dimensions are
  /// called.
  package static func export(
    _ checkpoint: Checkpoint, of origin: Origin, keepsOptimizer: Bool
  ) throws(Invalid) -> Checkpoint {
    guard checkpoint.metadata["inputs"] != nil, checkpoint.metadata["training"] != nil else {
      throw Invalid(
        description:
          "an earlier version wrote this checkpoint, and did not record what its network's "
          + "inputs are; checkpoints that this version writes have it")
    }
    let left = ["partial.", "measurement."] + (keepsOptimizer ? [] : ["optimizer."])
    let arrays = checkpoint.arrays.filter { array in !left.contains { array.name.hasPrefix($0) } }
    let layout = JSON.object(
      arrays.map { .init($0.name, .string(dimensions($0.shape.count))) })
    var metadata = checkpoint.metadata.filter {
      [
        "training", "inputs", "samples", "updates", "parameters_sha256", "numerics_version",
        "numerics_fingerprint", "stage",
      ].contains($0.key)
    }
    metadata["format"] = form
    metadata["grid"] = origin.grid
    metadata["run"] = origin.run
    metadata["epoch"] = JSON.text(of: origin.epoch)
    metadata["finished"] = origin.isFinished ? "yes" : "no"
    metadata["layout"] = layout.encoded()
    return Checkpoint(metadata: metadata, arrays: arrays)
  }

  /// Row-major, the last dimension next to each other.
  private static func dimensions(_ count: Int) -> String {
    switch count {
    case 4: "kernel height, kernel width, input channels, output channels"
    case 2: "inputs (height, width, channels), outputs"
    default: "channels"
    }
  }

  // MARK: - Use

  /// Reads what `export` has made.
  package init(_ file: Checkpoint) throws(Invalid) {
    guard file.metadata["format"] == Model.form else {
      throw Invalid(description: "it is no model; jobctl checkpoint export writes one")
    }
    metadata = file.metadata
    func document(_ key: String) throws(Invalid) -> JSON {
      guard let text = file.metadata[key], let node = try? JSON(parsing: text) else {
        throw Invalid(description: "its \(key) cannot be read")
      }
      return node
    }
    let spec: TrainingSpec
    do {
      inputs = try InputDescription(try document("inputs"))
      spec = try TrainingSpec(try document("training"))
    } catch { throw Invalid(description: "\(error)") }
    let input = Extent(height: inputs.height, width: inputs.width, channels: inputs.channels)
    let facts = DatasetFacts(
      train: 1, test: 1, height: inputs.height, width: inputs.width, channels: inputs.channels,
      classes: inputs.classes.count, digest: nil)
    var used = spec
    used.dataset.validation = 0
    if let problem = used.problem(with: facts) {
      throw Invalid(description: "its network does not take such inputs: \(problem)")
    }
    network = Network(spec.network, input: input, classes: inputs.classes.count)
    // A file of a few bytes may describe a network of any size.
    guard network.parameterCount <= file.arrays.reduce(0, { $0 + $1.bytes.count }) / 4 else {
      throw Invalid(description: "its arrays are fewer than its network has parameters")
    }
    parameters = Floats(count: network.parameterCount)
    statistics = network.initialStatistics()
    do {
      try network.fill(parameters, statistics, from: file)
    } catch { throw Invalid(description: error.description) }
  }

  /// Inputs that go through the network at a time, and numbers of them.
  private static let batch = 64
  private static let mostNumbers = 1 << 22

  /// The probability of each class for each input, whose numbers are those of `InputDescription.read`.
  package func probabilities(of all: [[Float]]) -> [[Double]] {
    let team = Team(size: min(ProcessInfo.processInfo.activeProcessorCount, max(1, all.count)))
    defer { team.close() }
    let executor = Executor(network, capacity: capacity(all.count), team: team)
    var found: [[Double]] = []
    for start in stride(from: 0, to: all.count, by: executor.capacity) {
      let part = all[start..<min(start + executor.capacity, all.count)]
      for (place, input) in part.enumerated() {
        precondition(input.count == inputs.size, "an input of \(input.count) numbers")
        input.withUnsafeBufferPointer {
          (executor.input + place * inputs.size).update(from: $0.baseAddress!, count: inputs.size)
        }
      }
      executor.forward(
        .inference, images: part.count, parameters: parameters, statistics: statistics)
      let classes = inputs.classes.count
      found += part.indices.map { index in
        let place = index - start
        return Model.softmax(
          UnsafeBufferPointer(start: executor.logits + place * classes, count: classes))
      }
    }
    return found
  }

  private func capacity(_ count: Int) -> Int {
    max(1, min(Model.batch, count, Model.mostNumbers / inputs.size))
  }

  private static func softmax(_ logits: UnsafeBufferPointer<Float>) -> [Double] {
    let largest = Double(logits.max() ?? 0)
    let powers = logits.map { exp(Double($0) - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }
}

extension Network {
  /// Takes parameters and running statistics from a file's arrays.
  func fill(
    _ parameters: Floats, _ statistics: Floats, from file: Checkpoint
  ) throws(TrainingState.Mismatch) {
    for parameter in self.parameters {
      try TrainingState.fill(
        parameters.base + parameter.offset, parameter.shape, from: file[parameter.name])
    }
    for statistic in self.statistics {
      for (index, name) in ["running_mean", "running_variance"].enumerated() {
        try TrainingState.fill(
          statistics.base + statistic.offset + index * statistic.channels, [statistic.channels],
          from: file["\(statistic.name).\(name)"])
      }
    }
  }
}
