import Checkpoints
import Datasets
import Experiments
import Foundation
import JobQueue
import Logging
import Synchronization
import Training
import Values

/// What a worker tells whoever watches it.
package enum WorkerNews: Sendable {
  /// The queue knows the worker by this number.
  case registered(worker: Int)
  /// The queue has answered a heartbeat.
  case heartbeatConfirmed
  case draining
  case started(ClaimedStage, from: Int)
  case progressed(ClaimedStage, StageProgress)
  case measured(ClaimedStage, Training.Measurement)
  case ended(ClaimedStage, String)
}

/// The life of one attempt: resume, train, record, check in, finish. Training has a thread of its
/// own; everything that talks to the queue happens here.
struct StageRunner: Sendable {
  let claimed: ClaimedStage
  let control: StageControl
  let queue: JobQueue
  let store: CheckpointStore
  let shelf: DatasetShelf
  let settings: WorkerOptions
  let fingerprint: String
  let logger: Logger
  let news: @Sendable (WorkerNews) -> Void
  /// Told of a data set, by its digest, that could not be opened: nothing more of it is claimed now.
  let lacks: @Sendable (String) -> Void
  /// Tells the queue that the stage is trained: checkpoint, measurements, totals; false where it is lost.
  let finish: @Sendable (JSON, [JSON], JSON) async throws -> Bool

  /// What the training thread reports; the queue hears of it in this order.
  private enum Report: Sendable {
    case measured(Training.Measurement)
    case checkpointed(Registered)
    case ended(Ending)
  }

  private enum Ending: Sendable {
    case finished(Registered)
    case drained(Registered)
    case abandoned
    case diverged(String)
    /// The store could not take the checkpoint.
    case unwritten(String)
    /// The stage cannot be trained from what there is.
    case failed(String)
  }

  /// A checkpoint file with what the queue is told of it.
  private struct Registered: Sendable {
    let written: CheckpointStore.Written
    let samples: Int
    let updates: Int
    let parametersDigest: String
  }

  /// A disk that is full now may not be in half a minute.
  private static let fullDiskDelay = Duration.seconds(30)

  private static let absentStoreDelay = Duration.seconds(30)

  /// Runs the attempt to whatever end it has.
  func run() async {
    do {
      let ending = try await attempt()
      news(.ended(claimed, ending))
      logger.info("stage ended", metadata: ["outcome": "\(ending)"])
    } catch is CancellationError {
      news(.ended(claimed, "not recorded: the worker was ended"))
    } catch {
      // Refused for good, or for a day: another attempt may be luckier, a few times.
      logger.error("what the stage came to was refused", metadata: ["error": "\(error)"])
      let isTold = try? await queue.fail(
        claimed.lease, reason: "the queue refused a write: \(error)", permanent: false,
        totals: totals())
      news(.ended(claimed, isTold == true ? "failed: \(error)" : "not recorded: \(error)"))
    }
  }

  private func attempt() async throws -> String {
    let work: StageWork
    let dataset: Dataset
    do {
      (work, dataset) = try await prepared()
    } catch let error as MissingData {
      // Files that are absent or damaged here may be whole later, or on another machine.
      lacks(error.digest)
      _ = try await queue.release(
        claimed.lease, reason: "\(error)", delay: nil, totals: totals())
      return "held back: \(error)"
    } catch {
      _ = try await queue.fail(claimed.lease, reason: "\(error)", permanent: true, totals: totals())
      return "failed: \(error)"
    }
    let checkpoint: Checkpoint?
    do throws(CheckpointError) {
      checkpoint = try claimed.resume.map { resume throws(CheckpointError) in
        // The memory of a stage holds its state several times.
        try store.read(resume.file, digest: resume.digest, limit: claimed.memoryBytes)
      }
    } catch {
      return try await report(error)
    }
    news(.started(claimed, from: claimed.resume?.samples ?? 0))
    return try await train(work, dataset, from: checkpoint)
  }

  /// Data that this machine does not have now.
  private struct MissingData: Error, CustomStringConvertible {
    let digest: String
    let reason: DatasetError
    var description: String { reason.description }
  }

  /// The stage, checked, and its data. Asks nothing of the queue.
  private func prepared() async throws -> (StageWork, Dataset) {
    let work = try stageWork()
    // Before anything is opened: a submitter may have sent data of any size.
    try work.check(work.spec.dataset.builtInFacts, planned: claimed.memoryBytes)
    guard let digest = work.spec.datasetDigest else { throw WorkerError.namesNoData }
    let dataset: Dataset
    do throws(DatasetError) {
      dataset = try await shelf.dataset(work.spec.dataset, digest: digest)
    } catch {
      // The right data, and too few of them: the planner would have refused that.
      if case .tooFew = error { throw error }
      throw MissingData(digest: digest, reason: error)
    }
    try work.check(dataset.facts, planned: claimed.memoryBytes)
    return (work, dataset)
  }

  private func stageWork() throws -> StageWork {
    guard let law = Law(claimed.law) else { throw WorkerError.unreadableLaw }
    let probe = GradientProbe(claimed.probe)
    guard probe != nil || claimed.probe.isNull else { throw WorkerError.unreadableProbe }
    return StageWork(
      digest: claimed.digest, spec: try TrainingSpec(claimed.spec), probe: probe,
      seed: claimed.seed, law: law, start: claimed.start, end: claimed.end,
      startUpdates: claimed.startUpdates)
  }

  private func report(_ error: CheckpointError) async throws -> String {
    if case .away = error {
      _ = try await queue.release(
        claimed.lease, reason: error.description, delay: StageRunner.absentStoreDelay,
        totals: totals())
      return "held back: \(error)"
    }
    logger.error(
      "a checkpoint cannot be used; an earlier one will be", metadata: ["error": "\(error)"])
    _ = try await queue.reportDamage(
      claimed.lease, checkpoint: claimed.resume?.checkpoint ?? 0, reason: error.description)
    return "damage reported: \(error)"
  }

  // MARK: - Training

  private func train(
    _ work: StageWork, _ dataset: Dataset, from checkpoint: Checkpoint?
  ) async throws -> String {
    let (reports, continuation) = AsyncStream.makeStream(of: Report.self)
    let thread = Thread { trainOnThisThread(work, dataset, checkpoint, continuation) }
    thread.name = "stage \(claimed.lease.stage)"
    thread.stackSize = 8 << 20
    thread.start()
    // Whatever ends this function, no thread trains on for nobody.
    defer { control.command(.abandon) }
    var unrecorded: [JSON] = []
    var outcome = "abandoned"
    for await report in reports {
      switch report {
      case .measured(let measurement):
        news(.measured(claimed, measurement))
        unrecorded.append(measurement.json)
        if try await accepted({ try await queue.record(claimed.lease, unrecorded) }) {
          unrecorded = []
        }
      case .checkpointed(let registered):
        _ = try await accepted {
          try await queue.registerCheckpoint(
            claimed.lease, checkpoint: json(registered), measurements: unrecorded, totals: totals())
        }
      case .ended(let ending): outcome = try await end(ending, unrecorded)
      }
    }
    return outcome
  }

  private func end(_ ending: Ending, _ measurements: [JSON]) async throws -> String {
    switch ending {
    case .finished(let registered):
      let isOurs = try await finish(json(registered), measurements, totals())
      return isOurs ? "finished" : "lost: a newer attempt has the stage"
    case .drained(let registered):
      let isOurs = try await queue.registerCheckpoint(
        claimed.lease, checkpoint: json(registered), measurements: measurements, totals: totals())
      guard isOurs else { return "lost: a newer attempt has the stage" }
      _ = try await queue.release(claimed.lease, reason: "drained", delay: nil, totals: totals())
      return "drained at sample \(registered.samples)"
    case .abandoned: return "abandoned: the stage is no longer ours"
    case .diverged(let reason):
      _ = try await queue.diverge(
        claimed.lease, reason: reason, measurements: measurements, totals: totals())
      return "diverged: \(reason)"
    case .failed(let reason):
      _ = try await queue.fail(claimed.lease, reason: reason, permanent: true, totals: totals())
      return "failed: \(reason)"
    case .unwritten(let reason):
      _ = try await queue.release(
        claimed.lease, reason: reason, delay: StageRunner.fullDiskDelay, totals: totals())
      return "held back: \(reason)"
    }
  }

  /// Runs a fenced write; where it is refused, training stops.
  private func accepted(_ write: () async throws -> Bool) async throws -> Bool {
    let isOurs = try await write()
    if !isOurs { control.command(.abandon) }
    return isOurs
  }

  private func trainOnThisThread(
    _ work: StageWork, _ dataset: Dataset, _ checkpoint: Checkpoint?,
    _ reports: AsyncStream<Report>.Continuation
  ) {
    defer { reports.finish() }
    var lastCheckpoint = ContinuousClock.now
    // A copy of the state is compressed and written beside training, one at a time.
    let writing = DispatchQueue(label: "checkpoints of stage \(claimed.lease.stage)")
    let isWriting = Atomic(false)
    let hooks = StageTrainer.Hooks(
      directive: control.directive,
      measured: { reports.yield(.measured($0)) },
      wantsCheckpoint: {
        !isWriting.load(ordering: .acquiring)
          && ContinuousClock.now - lastCheckpoint >= settings.checkpointEvery
      },
      checkpointed: { content in
        lastCheckpoint = .now
        isWriting.store(true, ordering: .releasing)
        writing.async {
          do throws(CheckpointError) {
            reports.yield(.checkpointed(try write(content)))
          } catch {
            // Training goes on from memory; the next checkpoint may find room.
            logger.warning("no checkpoint was written", metadata: ["error": "\(error)"])
          }
          isWriting.store(false, ordering: .releasing)
        }
      },
      progressed: { progress in
        control.note(progress)
        news(.progressed(claimed, progress))
      })
    // Side by side, stages have one peak.
    if settings.slots == 1 { forgetPeakMemory() }
    let trainer: StageTrainer
    do throws(TrainingState.Mismatch) {
      trainer = try StageTrainer(
        work, dataset: dataset, from: checkpoint, threads: settings.threads, hooks: hooks)
    } catch {
      reports.yield(.ended(.failed(error.description)))
      return
    }
    let outcome = trainer.run()
    writing.sync {}  // What is under way comes first.
    let ending: Ending =
      switch outcome {
      case .finished(let end): finish(end.content)
      case .drained(let end): drain(end.content)
      case .abandoned: .abandoned
      case .diverged(let reason): .diverged(reason)
      }
    reports.yield(.ended(ending))
  }

  private func drain(_ content: TrainingState.Content) -> Ending {
    do throws(CheckpointError) { return .drained(try write(content)) } catch {
      return .unwritten("\(error)")
    }
  }

  /// A stage that is trained waits for room as long as it is ours: what it took is worth more than a
  /// slot. A drained worker cannot wait.
  private func finish(_ content: TrainingState.Content) -> Ending {
    defer { control.waits(for: nil) }
    var next = ContinuousClock.now
    while true {
      let reason: String
      do throws(CheckpointError) { return .finished(try write(content)) } catch {
        reason = "\(error)"
      }
      control.waits(for: reason)
      if next <= .now {
        logger.warning("a trained stage waits for its checkpoint", metadata: ["error": "\(reason)"])
        next = .now + .seconds(60)
      }
      for _ in 0..<20 {
        switch control.directive() {
        case .proceed: Thread.sleep(forTimeInterval: 0.1)
        case .drain: return .unwritten(reason)
        case .abandon: return .abandoned
        }
      }
    }
  }

  private func write(_ content: TrainingState.Content) throws(CheckpointError) -> Registered {
    // The name carries the attempt: a zombie cannot overwrite what another has written.
    let name =
      "stage-\(claimed.lease.stage)-attempt-\(claimed.lease.attempt)-samples-\(content.samples)"
      + "-\(content.ghosts)\(CheckpointStore.ending)"
    let (checkpoint, parametersDigest) = content.sealed()
    let written = try store.write(checkpoint, as: name)
    return Registered(
      written: written, samples: content.samples, updates: content.updates,
      parametersDigest: parametersDigest)
  }

  // MARK: - JSON for the queue

  private func json(_ registered: Registered) -> JSON {
    [
      "store": .string(store.id), "file": .string(registered.written.file),
      "samples": .integer(registered.samples), "updates": .integer(registered.updates),
      "bytes": .integer(registered.written.bytes), "digest": .string(registered.written.digest),
      "fingerprint": .string(fingerprint),
      "parameters_digest": .string(registered.parametersDigest),
    ]
  }

  /// How far the attempt is: updates since the stage's start and the sample clock.
  func totals() -> JSON {
    (control.progress?.totals ?? [:]).setting(
      ["peak_memory_bytes"], to: .integer(peakMemory()))
  }
}

enum WorkerError: Error, CustomStringConvertible {
  case unreadableLaw, unreadableProbe, namesNoData

  var description: String {
    switch self {
    case .unreadableLaw: "the stage's law cannot be read by this version"
    case .unreadableProbe: "the stage's gradient probe cannot be read by this version"
    case .namesNoData: "the stage names no digest of its data"
    }
  }
}

extension StageProgress {
  var totals: JSON {
    [
      "updates": .integer(updates), "samples": .integer(samples), "seconds": .real(seconds),
      "core_seconds": .real(coreSeconds), "samples_per_second": .real(samplesPerSecond),
      "threads": .integer(threads),
    ]
  }
}

extension Training.Measurement {
  var json: JSON {
    let noise = gradientNoise
    return [
      "samples": .integer(samples), "updates": .integer(updates), "epoch": .real(epoch),
      "batch": .integer(batch), "learning_rate": .real(learningRate),
      "noise_scale": noiseScale.map(JSON.real) ?? .null, "train_loss": .real(train.loss),
      "train_accuracy": .real(train.accuracy), "test_loss": .real(test.loss),
      "test_accuracy": .real(test.accuracy),
      "test_samples": .integer(testSamples), "test_commonest": .integer(testCommonest),
      "above_guessing": .bool(isAboveGuessing),
      "validation_loss": validation.map { .real($0.loss) } ?? .null,
      "validation_accuracy": validation.map { .real($0.accuracy) } ?? .null,
      "seconds": .real(seconds), "core_seconds": .real(coreSeconds),
      "peak_memory_bytes": .integer(peakMemory),
      "gradient_square": noise.map { .real($0.square) } ?? .null,
      "gradient_variance": noise.map { .real($0.variance) } ?? .null,
      "gradient_estimates": noise.map { .integer($0.estimates) } ?? .null,
      "gradient_probes": noise.map { .integer($0.probes) } ?? .null,
      "probe_seconds": noise.map { .real($0.probeSeconds) } ?? .null,
    ]
  }
}
