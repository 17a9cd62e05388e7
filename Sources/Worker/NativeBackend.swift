import Checkpoints
import Datasets
import Experiments
import JobQueue
import Training
import Values

/// Trains stages with jobctl's own engine, on the cores of this process.
struct NativeBackend: TrainingBackend {
  let shelf: DatasetShelf
  /// The most cores that a stage may use.
  let threads: Int
  /// Stages that are trained side by side.
  let slots: Int

  let name = Backend.native.rawValue
  let versioned = Backend.native.versioned

  func prepare(_ stage: ClaimedStage) async throws(StageRefusal) -> any PreparedStage {
    let work = try StageWork(stage)
    do {
      // Before anything is opened: a submitter may have sent data of any size. The published sizes of a
      // set without a pinned digest say nothing of the files that are here.
      let published = work.spec.dataset.publishedFacts
      try work.check(published?.digest == nil ? nil : published, planned: stage.memoryBytes)
      let dataset = try await dataset(of: work)
      try work.check(dataset.facts, planned: stage.memoryBytes)
      return Prepared(backend: self, work: work, dataset: dataset)
    } catch let error as StageRefusal {
      throw error
    } catch {
      throw .unsound("\(error)")
    }
  }

  private func dataset(of work: StageWork) async throws(StageRefusal) -> Dataset {
    guard let digest = work.spec.datasetDigest else {
      throw .unsound("the stage is unsound: it names no digest of its data")
    }
    do throws(DatasetError) {
      return try await shelf.dataset(work.spec.dataset, digest: digest)
    } catch {
      // The right data, and too few of them: the planner would have refused that.
      if case .tooFew = error { throw .unsound("\(error)") }
      throw .missingData(digest: digest, reason: "\(error)")
    }
  }

  private struct Prepared: PreparedStage {
    let backend: NativeBackend
    let work: StageWork
    let dataset: Dataset

    func train(from checkpoint: Checkpoint?, _ attempt: AttemptCalls) -> StageEnding {
      // Side by side, stages have one peak.
      if backend.slots == 1 { forgetPeakMemory() }
      let trainer: StageTrainer
      do throws(TrainingState.Mismatch) {
        trainer = try StageTrainer(
          work, dataset: dataset, from: checkpoint, threads: backend.threads,
          hooks: .init(
            directive: attempt.directive,
            measured: { attempt.report(.measured(MeasurementRow($0))) },
            checkpointed: { attempt.report(.checkpoint(CheckpointDraft($0))) },
            progressed: { attempt.report(.progressed($0)) }))
      } catch {
        return .failed(error.description)
      }
      return switch trainer.run() {
      case .finished(let end): .finished(CheckpointDraft(end.content))
      case .drained(let end): .drained(CheckpointDraft(end.content))
      case .abandoned: .abandoned
      case .diverged(let reason): .diverged(reason)
      case .unreadable(let error, let end):
        .unreadable(
          digest: work.spec.datasetDigest ?? "", reason: "\(error)", CheckpointDraft(end.content))
      }
    }
  }
}

extension CheckpointDraft {
  fileprivate init(_ content: TrainingState.Content) {
    self.init(
      samples: content.samples, updates: content.updates,
      label: "samples-\(content.samples)-\(content.ghosts)", seal: content.sealed)
  }
}

extension StageWork {
  /// Reads what was claimed.
  fileprivate init(_ claimed: ClaimedStage) throws(StageRefusal) {
    let spec: TrainingSpec
    do throws(InvalidDocument) { spec = try TrainingSpec(claimed.spec) } catch {
      // Values out of bounds are what the planner would have refused.
      guard error.problems.contains(where: \.isUnknown) else { throw .unsound("\(error)") }
      throw .anotherVersion(error.description)
    }
    guard let law = Law(claimed.law) else { throw .anotherVersion("its law") }
    let probe = claimed.probe.map { GradientProbe($0) }
    if case .some(.none) = probe { throw .anotherVersion("its gradient probe") }
    self.init(
      digest: claimed.digest, spec: spec, probe: probe ?? nil, seed: claimed.seed, law: law,
      start: claimed.start, end: claimed.end, startUpdates: claimed.startUpdates)
  }
}
