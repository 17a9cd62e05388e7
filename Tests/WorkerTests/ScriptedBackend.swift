import Checkpoints
import Experiments
import Foundation
import JobQueue
import Synchronization
import Training
import Worker

/// A backend that trains nothing. Its state is a number that every update changes, so that an update that is
/// lost or made twice shows in the digest of the parameters. It ends as its script says.
final class ScriptedBackend: TrainingBackend {
  enum Script: Sendable, Equatable {
    case trains
    /// At the end it tests until it has been asked for a checkpoint.
    case isCheckpointedInItsTest
    /// At this share of the stage, in its first attempt.
    case fails, diverges, cannotRead
    case lacksData, isOfAnotherVersion
  }

  let name = "scripted"
  /// The versions are those of the stages that tests plan.
  let versioned = "scripted \(numericsVersion) \(preparationVersion)"
  private let script: Script
  /// Each update takes so long.
  private let pace: Duration
  /// The directives that stopped a stage.
  let stopped = Mutex<[String]>([])

  init(_ script: Script = .trains, pace: Duration = .zero) {
    self.script = script
    self.pace = pace
  }

  func prepare(_ stage: ClaimedStage) async throws(StageRefusal) -> any PreparedStage {
    switch script {
    case .lacksData: throw .missingData(digest: "none", reason: "the disk is not mounted")
    case .isOfAnotherVersion: throw .anotherVersion("its script")
    default: return Stage(backend: self, claimed: stage)
    }
  }

  private struct Stage: PreparedStage {
    let backend: ScriptedBackend
    let claimed: ClaimedStage

    func train(from checkpoint: Checkpoint?, _ attempt: AttemptCalls) -> StageEnding {
      let batch = (claimed.end - claimed.start) / claimed.updates
      let from = checkpoint?["state"]?.doubles ?? [Double(claimed.seed), 0]
      var state = State(value: from[0], samples: Int(from[1]))
      func draft() -> CheckpointDraft {
        state.draft(updates: claimed.startUpdates + (state.samples - claimed.start) / batch)
      }
      while state.samples < claimed.end {
        switch attempt.directive() {
        case .proceed: break
        case .checkpoint: attempt.report(.checkpoint(draft()))
        case .drain:
          backend.stopped.withLock { $0.append("drain") }
          return .drained(draft())
        case .abandon:
          backend.stopped.withLock { $0.append("abandon") }
          return .abandoned
        }
        if claimed.lease.attempt == 1, state.samples - claimed.start >= 5 * batch {
          switch backend.script {
          case .fails: return .failed("the script says so")
          case .diverges: return .diverged("the loss is not finite, says the script")
          case .cannotRead:
            return .unreadable(digest: "none", reason: "a bad sector", draft())
          default: break
          }
        }
        if backend.pace > .zero { Thread.sleep(forTimeInterval: backend.pace / .seconds(1)) }
        state.update(batch)
        report(state, batch, attempt)
      }
      if backend.script == .isCheckpointedInItsTest { test(state, draft(), attempt) }
      return .finished(draft())
    }

    /// The state of a test is not that of the end, at the same sample.
    private func test(_ state: State, _ draft: CheckpointDraft, _ attempt: AttemptCalls) {
      var untested = state
      untested.value += 1
      while true {
        switch attempt.directive() {
        case .proceed: Thread.sleep(forTimeInterval: 0.005)
        case .checkpoint: return attempt.report(.checkpoint(untested.draft(updates: draft.updates)))
        case .drain, .abandon: return
        }
      }
    }

    private func report(_ state: State, _ batch: Int, _ attempt: AttemptCalls) {
      let done = (state.samples - claimed.start) / batch
      attempt.report(
        .progressed(
          StageProgress(
            updates: done, samples: state.samples, seconds: Double(done), coreSeconds: Double(done),
            samplesPerSecond: Double(batch), threads: 1, learningRate: 0.1)))
      guard state.samples == claimed.end else { return }
      var row = MeasurementRow()
      row.samples = state.samples
      row.updates = claimed.startUpdates + done
      row.batch = batch
      row.learningRate = 0.1
      row.testAccuracy = 0.5
      attempt.report(.measured(row))
    }
  }

  private struct State {
    var value: Double
    var samples: Int

    mutating func update(_ batch: Int) {
      samples += batch
      value = (value * 1.25 + Double(samples)).truncatingRemainder(dividingBy: 1e6)
    }

    func draft(updates: Int) -> CheckpointDraft {
      let state = self
      return CheckpointDraft(samples: samples, updates: updates, label: "samples-\(samples)") {
        (
          Checkpoint(
            metadata: ["kind": "scripted"],
            arrays: [.init("state", doubles: [state.value, Double(state.samples)])]),
          String(format: "%064x", state.value.bitPattern)
        )
      }
    }
  }
}
