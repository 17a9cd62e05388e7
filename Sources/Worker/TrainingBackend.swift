import Checkpoints
import JobQueue
import Training

/// The seam between an attempt, which talks to queue and store, and the program that trains.

/// Trains stages. A backend sees neither queue nor store.
package protocol TrainingBackend: Sendable {
  /// The name that the digests of its stages hold. A worker claims stages of the backends that it has.
  var name: String { get }

  /// The name, with the versions that the digests hold of what it computes (`Backend.versioned`).
  var versioned: String { get }

  /// Reads and checks a stage, and opens the data that it trains on.
  func prepare(_ stage: ClaimedStage) async throws(StageRefusal) -> any PreparedStage
}

/// A stage that can be trained here and now.
package protocol PreparedStage: Sendable {
  /// Trains on the calling thread, to the stage's end or until a directive stops it.
  /// `checkpoint` is the state that training goes on from; nil at the start of training.
  ///
  /// It asks for a directive at least once a second, at points where it could hand over its state.
  func train(from checkpoint: Checkpoint?, _ attempt: AttemptCalls) -> StageEnding
}

/// The calls from a backend to its attempt, on the thread that trains.
package struct AttemptCalls: Sendable {
  /// What to do now. Waits where the stage may belong to another worker.
  package let directive: @Sendable () -> Directive
  /// Takes what training has made. Waits where the queue has not been told of many reports.
  package let report: @Sendable (StageEvent) -> Void
}

package enum StageEvent: Sendable {
  case progressed(StageProgress)
  /// What a backend cannot know is nil.
  case measured(MeasurementRow)
  /// The answer to the directive `checkpoint`. Training goes on while it is written.
  case checkpoint(CheckpointDraft)
  /// The end of what its program has written, where there is more of it.
  case wrote(String)
}

/// A checkpoint that the attempt names, compresses, places and registers.
package struct CheckpointDraft: Sendable {
  /// The sample clock, and updates since the run's start.
  package let samples: Int
  package let updates: Int
  /// Says in the file's name which state it is: letters, digits and hyphens.
  package let label: String
  /// Gives the content of the file, and the digest of the parameters. The attempt calls it on any thread,
  /// and again if the file could not be written.
  package let seal: Seal

  package typealias Seal =
    @Sendable () throws(CheckpointError) -> (
      checkpoint: Checkpoint, parametersDigest: String
    )

  package init(
    samples: Int, updates: Int, label: String,
    seal: @escaping Seal
  ) {
    (self.samples, self.updates, self.label) = (samples, updates, label)
    self.seal = seal
  }
}

/// How a backend's training ended.
package enum StageEnding: Sendable {
  /// At the stage's end.
  case finished(CheckpointDraft)
  /// The answer to the directive `drain`.
  case drained(CheckpointDraft)
  /// This machine lacks what the stage needs for now: room on a disk, a process.
  case unavailable(String)
  /// It stopped and handed over nothing: the stage goes on from the checkpoint before.
  case stopped
  /// The answer to the directive `abandon`.
  case abandoned
  /// A result, not a failure: the loss, a gradient or a statistic was no longer finite.
  case diverged(String)
  /// A file of the data could not be read; the draft is of the moment before.
  case unreadable(digest: String, reason: String, CheckpointDraft)
  /// Its program ended too early; another attempt may be luckier. `hasProgressed` where a checkpoint of this
  /// attempt keeps some of it.
  case crashed(String, hasProgressed: Bool)
  /// The stage cannot be trained from what there is.
  case failed(String)
}

/// Why a backend does not train a stage.
package enum StageRefusal: Error, CustomStringConvertible {
  /// Files that are absent or damaged here may be whole later, or on another machine.
  case missingData(digest: String, reason: String)
  /// Something is not there that may be in a moment.
  case unavailable(String)
  /// Another version of jobctl planned the stage.
  case anotherVersion(String)
  /// No planner would have sent the stage: it fails.
  case unsound(String)

  package var description: String {
    switch self {
    case .missingData(_, let reason), .unavailable(let reason): reason
    case .anotherVersion(let reason):
      "this version of jobctl cannot read the stage (\(reason)); a worker of the version that "
        + "submitted it may, and jobctl cancel ends the runs that want it"
    case .unsound(let reason): reason
    }
  }
}
