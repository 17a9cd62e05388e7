import Checkpoints
import Datasets
import Experiments
import Foundation
import NeuralNet
import Tensors
import Values

/// Everything that changes while a stage is trained. What is not here is a function of the spec and
/// the sample clock.
package final class TrainingState {
  let network: Network
  let parameters: Floats
  let statistics: Floats
  let optimizer: Optimizer
  /// Sum of the gradients of this update's finished segments, and of the current one.
  let finishedSegments: Floats
  let segment: Floats
  /// Sample clock of the last update boundary.
  var clock: Int
  /// Updates since the start of training.
  var updates: Int
  /// Ghost batches done since then.
  var ghosts = 0
  /// Since the last measurement.
  var lossSum = 0.0
  var correct = 0
  var measured = 0
  var noise = GradientNoise()
  /// Seconds of training this stage so far.
  var seconds = 0.0
  var coreSeconds = 0.0

  /// The state at the start of training.
  init(_ work: StageWork, network: Network) {
    self.network = network
    parameters = network.initialParameters(seed: work.seed)
    statistics = network.initialStatistics()
    optimizer = Optimizer(work.spec.optimizer, network: network)
    finishedSegments = Floats(count: network.parameterCount)
    segment = Floats(count: network.parameterCount)
    clock = 0
    updates = 0
  }

  // MARK: - To and from checkpoints

  /// A copy of the state, to be made a checkpoint of by whoever has the time.
  package struct Content: Sendable {
    /// Without the digest of its parameters.
    fileprivate let copy: Checkpoint
    package let samples: Int
    package let updates: Int
    /// Ghost batches done since the last update boundary.
    package let ghosts: Int
    /// The first arrays of the checkpoint are the parameters.
    fileprivate let parameterCount: Int

    /// The checkpoint, and the SHA-256 of the parameters as little-endian float32 in network order.
    package func sealed() -> (checkpoint: Checkpoint, parametersDigest: String) {
      let digest = Digest.Stream()
      for array in copy.arrays[..<parameterCount] { array.bytes.withUnsafeBytes { digest.add($0) } }
      var checkpoint = copy
      let parameters = digest.finished()
      checkpoint.metadata["parameters_sha256"] = parameters
      return (checkpoint, parameters)
    }
  }

  func content(of work: StageWork, _ inputs: InputDescription) -> Content {
    var arrays: [Checkpoint.NamedArray] = []
    func add(_ prefix: String, _ values: Floats) {
      for parameter in network.parameters {
        let numbers = UnsafeBufferPointer(
          start: values.base + parameter.offset, count: parameter.count)
        arrays.append(.init(prefix + parameter.name, shape: parameter.shape, floats: numbers))
      }
    }
    add("", parameters)
    for statistic in network.statistics {
      for (index, name) in ["running_mean", "running_variance"].enumerated() {
        let numbers = UnsafeBufferPointer(
          start: statistics.base + statistic.offset + index * statistic.channels,
          count: statistic.channels)
        arrays.append(
          .init("\(statistic.name).\(name)", shape: [statistic.channels], floats: numbers))
      }
    }
    for slot in optimizer.slots { add("optimizer.\(slot.name).", slot.values) }
    if ghosts > 0 {
      add("partial.finished_segments.", finishedSegments)
      add("partial.segment.", segment)
    }
    arrays.append(.init("measurement.sums", doubles: [lossSum, Double(correct), Double(measured)]))
    arrays.append(.init("measurement.gradient_noise", doubles: noise.sums))
    let metadata = [
      "format": "1", "stage": work.digest, "spec": TrainingState.specDigest(work),
      "samples": String(clock), "updates": String(updates), "ghosts": String(ghosts),
      "seconds": String(seconds), "core_seconds": String(coreSeconds),
      "numerics_version": String(numericsVersion),
      "numerics_fingerprint": numericsFingerprint,
      "training": work.spec.json.encoded(), "inputs": inputs.json.encoded(),
    ]
    return Content(
      copy: Checkpoint(metadata: metadata, arrays: arrays), samples: clock, updates: updates,
      ghosts: ghosts, parameterCount: network.parameters.count)
  }

  private static func specDigest(_ work: StageWork) -> String {
    // Checkpoints of earlier versions have a learning rate here, always 1.
    let document = work.spec.content.json.setting(["optimizer", "learning_rate"], to: 1)
    return Digest.sha256(
      of: document.setting(["seed"], to: .integer(work.seed)).encoded(sorted: true))
  }

  /// A checkpoint that does not belong to this stage, or lacks something.
  package struct Mismatch: Error, CustomStringConvertible {
    package let description: String
  }

  /// Goes on from a checkpoint of this stage or of its parent's end.
  func restore(_ checkpoint: Checkpoint, for work: StageWork) throws(Mismatch) {
    func number(_ key: String) throws(Mismatch) -> Int {
      guard let value = checkpoint.metadata[key].flatMap({ Int($0) }) else {
        throw Mismatch(description: "the checkpoint lacks \(key)")
      }
      return value
    }
    guard checkpoint.metadata["spec"] == TrainingState.specDigest(work) else {
      throw Mismatch(description: "the checkpoint is of another experiment")
    }
    (clock, updates, ghosts) = (try number("samples"), try number("updates"), try number("ghosts"))
    let isOwn = checkpoint.metadata["stage"] == work.digest
    guard work.start <= clock, clock <= work.end, isOwn || (clock == work.start && ghosts == 0)
    else {
      throw Mismatch(description: "the checkpoint is at sample \(clock), outside of the stage")
    }
    guard (clock - work.start).isMultiple(of: work.law.batch), updates == work.updates(at: clock),
      0..<work.ghostsPerUpdate ~= ghosts, clock < work.end || ghosts == 0
    else {
      throw Mismatch(
        description: "the checkpoint is at sample \(clock), update \(updates) and ghost batch "
          + "\(ghosts), where the stage has no boundary")
    }
    func take(_ prefix: String, _ values: Floats) throws(Mismatch) {
      for parameter in network.parameters {
        try TrainingState.fill(
          values.base + parameter.offset, parameter.shape, from: checkpoint[prefix + parameter.name]
        )
      }
    }
    try network.fill(parameters, statistics, from: checkpoint)
    for slot in optimizer.slots { try take("optimizer.\(slot.name).", slot.values) }
    if ghosts > 0 {
      try take("partial.finished_segments.", finishedSegments)
      try take("partial.segment.", segment)
    }
    try restoreSums(checkpoint)
    func time(_ key: String) -> Double {
      guard isOwn, let time = checkpoint.metadata[key].flatMap({ Double($0) }) else { return 0 }
      return time.isFinite ? max(0, time) : 0
    }
    (seconds, coreSeconds) = (time("seconds"), time("core_seconds"))
  }

  /// The sums of the measurement under way.
  private func restoreSums(_ checkpoint: Checkpoint) throws(Mismatch) {
    guard let sums = checkpoint["measurement.sums"]?.doubles, sums.count == 3,
      sums[0].isFinite, let correct = Int(exactly: sums[1]), let measured = Int(exactly: sums[2]),
      0 <= correct, correct <= measured, measured <= 1 << 53
    else {
      throw Mismatch(
        description: "the checkpoint lacks measurement.sums, or they are no sums of a measurement")
    }
    (lossSum, self.correct, self.measured) = (sums[0], correct, measured)
    let noiseSums = checkpoint["measurement.gradient_noise"]?.doubles ?? []
    guard let noise = GradientNoise(sums: noiseSums) else {
      throw Mismatch(description: "the checkpoint's measurement.gradient_noise are no sums")
    }
    self.noise = noise
  }

  static func fill(
    _ target: FloatPointer, _ shape: [Int], from array: Checkpoint.NamedArray?
  ) throws(Mismatch) {
    guard let array, array.shape == shape, let values = array.floats else {
      throw Mismatch(description: "the checkpoint lacks an array of shape \(shape)")
    }
    target.update(from: values, count: values.count)
  }
}
