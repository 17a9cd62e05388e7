import Datasets
import Experiments
import Values

/// One stage as the trainer needs it: what to train, under which law, from where to where.
package struct StageWork: Sendable {
  package var digest: String
  package var spec: TrainingSpec
  /// Measures the gradient noise; of no influence on what is trained.
  package var probe: GradientProbe?
  package var seed: Int
  package var law: Law
  /// Sample clock at the start and at the end; both are update boundaries.
  package var start: Int
  package var end: Int
  /// Updates of the run before this stage.
  package var startUpdates: Int

  package init(
    digest: String, spec: TrainingSpec, probe: GradientProbe? = nil, seed: Int, law: Law,
    start: Int, end: Int, startUpdates: Int
  ) {
    self.digest = digest
    self.spec = spec
    self.probe = probe
    self.seed = seed
    self.law = law
    self.start = start
    self.end = end
    self.startUpdates = startUpdates
  }

  /// Samples that are normalized together: the ghost batch, or the batch where it is smaller.
  package var ghost: Int { min(spec.ghost, law.batch) }
  package var ghostsPerUpdate: Int { law.batch / ghost }

  /// Updates since the start of training, at an update boundary.
  package func updates(at clock: Int) -> Int { startUpdates + (clock - start) / law.batch }

  /// An update's ghost batches form at most this many contiguous segments, whose sums are added left
  /// to right, as the ghost batches in each are. Threads or hosts may take segments side by side.
  static let mostSegments = 16

  /// Whether a segment ends with this ghost batch (counted from 0) of an update.
  func segmentEnds(after ghost: Int) -> Bool {
    let (ghosts, segments) = (ghostsPerUpdate, min(StageWork.mostSegments, ghostsPerUpdate))
    return (ghost + 1) * segments / ghosts > ghost * segments / ghosts
  }
}

/// What was measured at one point of a run.
package struct Measurement: Sendable, Equatable {
  /// Sample clock and updates since the start of training.
  package var samples: Int
  package var updates: Int
  package var epoch: Double
  package var batch: Int
  package var learningRate: Float
  package var noiseScale: Double?
  /// Means over the training samples since the measurement before, as they were trained on.
  package var train: Score
  /// Since the measurement before; nil where no update had several ghost batches, and nothing probed.
  package var gradientNoise: GradientNoise.Means?
  package var test: Score
  /// Samples of the test set, and those of its commonest class.
  package var testSamples: Int
  package var testCommonest: Int
  /// True if the test accuracy is above that of guessing (`Guessing`).
  package var isAboveGuessing: Bool
  package var validation: Score?
  /// Seconds of training this stage so far, over all attempts.
  package var seconds: Double
  /// The same, each second once a core.
  package var coreSeconds: Double
  /// Highest resident memory of the worker's process so far.
  package var peakMemory: Int

  package struct Score: Sendable, Equatable {
    package var loss: Double
    package var accuracy: Double
  }
}

/// What the trainer asks for at every ghost-batch boundary.
package enum Directive: Sendable {
  case proceed(threads: Int)
  /// Hand over a checkpoint and go on.
  case checkpoint(threads: Int)
  /// Hand over a checkpoint and stop.
  case drain
  /// Stop; nothing of this is wanted any more.
  case abandon
}

package struct StageProgress: Sendable {
  /// Updates done since the stage's start.
  package var updates: Int
  /// Sample clock.
  package var samples: Int
  package var seconds: Double
  package var coreSeconds: Double
  package var samplesPerSecond: Double
  package var threads: Int
  package var learningRate: Float

  package init(
    updates: Int, samples: Int, seconds: Double, coreSeconds: Double, samplesPerSecond: Double,
    threads: Int, learningRate: Float
  ) {
    (self.updates, self.samples) = (updates, samples)
    (self.seconds, self.coreSeconds) = (seconds, coreSeconds)
    self.samplesPerSecond = samplesPerSecond
    (self.threads, self.learningRate) = (threads, learningRate)
  }
}

package enum StageOutcome: Sendable {
  case finished(Checkpoint)
  case drained(Checkpoint)
  case abandoned
  /// Data could not be read; the checkpoint is of the moment before.
  case unreadable(DatasetError, Checkpoint)
  /// A result, not a failure: the loss, a gradient or a statistic was no longer finite.
  case diverged(reason: String)

  package struct Checkpoint: Sendable {
    package var content: TrainingState.Content
  }
}

/// A stage that the planner would not have sent: its attempt fails with the reason.
package struct UnsoundStage: Error, CustomStringConvertible {
  package let description: String

  package init(description: String) { self.description = description }
}

extension StageWork {
  /// The planner's checks once more, since a submitter may have sent the stage without it: a worker
  /// trains nothing that would end it. `facts` of the data, where they are known; `planned` are the
  /// bytes of memory that the queue has been told.
  package func check(_ facts: DatasetFacts?, planned: Int) throws(UnsoundStage) {
    func insist(_ isSound: Bool, _ reason: @autoclosure () -> String) throws(UnsoundStage) {
      guard isSound else { throw UnsoundStage(description: "the stage is unsound: \(reason())") }
    }
    try insist(0...StageWork.largest ~= seed, "its seed is \(seed)")
    try insist(
      0 <= start && start < end && end <= StageWork.largest && 0...end ~= startUpdates,
      "it goes from sample \(start), update \(startUpdates), to sample \(end)")
    try insist(
      (end - start).isMultiple(of: law.batch),
      "\(end - start) samples are not a whole number of updates of \(law.batch)")
    try insist(
      law.batch < spec.ghost || law.batch.isMultiple(of: spec.ghost),
      "its batch of \(law.batch) is no multiple of the ghost batch \(spec.ghost)")
    if let problem = law.problem(for: spec.optimizer.name) {
      throw UnsoundStage(description: "the stage is unsound: \(problem)")
    }
    guard let facts else { return }
    if let problem = spec.problem(with: facts) {
      throw UnsoundStage(description: "the stage is unsound: \(problem)")
    }
    let samples = spec.samplesPerEpoch(of: facts)
    try insist(law.batch <= samples, "its batch of \(law.batch) exceeds the \(samples) samples")
    try insist(
      end / samples <= RunSpec.mostEpochs, "it ends after \(end / samples) epochs")
    let memory = spec.cost(facts, threads: 1).memoryBytes
    try insist(
      Double(memory) <= StageWork.memoryMargin * Double(planned),
      "it takes \(memory >> 20) MiB, and was submitted with \(planned >> 20) MiB")
  }

  /// Samples and seeds up to here are exact in JSON and in double precision.
  private static let largest = 1 << 53

  /// Versions differ in what they plan, by less than this.
  private static let memoryMargin = 1.5
}
