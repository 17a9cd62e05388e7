import Checkpoints
import Datasets
import Experiments
import Foundation
import Host
import JobQueue
import Logging
import Synchronization
import Training
import Values

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
  /// Told of a stage of another version of jobctl, which is not claimed again; gives how long the queue is
  /// to hold the stage back.
  let cannotRead: @Sendable (Int) -> Duration?
  /// Tells the queue that the stage is trained; false where it is lost.
  let finish: @Sendable (CheckpointRow, [MeasurementRow], ProgressRow) async throws -> Bool

  /// A report of the training thread; the queue hears of them in their order.
  private enum Report: Sendable {
    case measured(Training.Measurement)
    case checkpointed(CheckpointRow)
    case ended(Ending)
  }

  private enum Ending: Sendable {
    case finished(CheckpointRow)
    case drained(CheckpointRow)
    case abandoned
    case diverged(String)
    /// The store could not take the checkpoint.
    case unwritten(String)
    /// A file of the data could not be read; with a checkpoint of the moment before where there was room.
    case unreadable(String, CheckpointRow?)
    /// The stage cannot be trained from what there is.
    case failed(String)
  }

  /// Reports that the queue has not been told yet. When so many wait, for instance while the database is
  /// away, the training thread waits too.
  private static let mostReports = 1000

  /// A disk that is full now may not be in half a minute.
  private static let fullDiskDelay = Duration.seconds(30)

  private static let absentStoreDelay = Duration.seconds(30)

  /// Runs the attempt to its end.
  func run() async {
    do {
      let ending = try await attempt()
      news(.ended(claimed, ending))
      logger.info("stage ended", metadata: ["outcome": "\(ending)"])
    } catch is CancellationError {
      news(.ended(claimed, .unrecorded("the worker was ended")))
    } catch {
      // The queue refused a write for good, or was away for a day: another attempt may be luckier, a
      // few times.
      logger.error("the queue refused a write", metadata: ["error": "\(error)"])
      // Where this is lost as well, the lease runs out and a rescue takes the stage.
      let isTold = try? await queue.fail(
        claimed.lease, reason: "the queue refused a write: \(error)", permanent: false,
        progress: progress())
      news(.ended(claimed, isTold == true ? .failed("\(error)") : .unrecorded("\(error)")))
    }
  }

  private func attempt() async throws -> AttemptEnding {
    let work: StageWork
    let dataset: Dataset
    do {
      (work, dataset) = try await prepared()
    } catch let error as MissingData {
      // Files that are absent or damaged here may be whole later, or on another machine.
      lacks(error.digest)
      return try await holdBack("\(error)")
    } catch let error as UnreadableStage {
      return try await holdBack("\(error)", delay: cannotRead(claimed.lease.stage))
    } catch {
      _ = try await queue.fail(
        claimed.lease, reason: "\(error)", permanent: true, progress: progress())
      return .failed("\(error)")
    }
    let checkpoint: Checkpoint?
    do {
      checkpoint = try await resumed()
    } catch {
      return try await report(error)
    }
    news(.started(claimed, from: claimed.resume?.samples ?? 0))
    return try await train(work, dataset, from: checkpoint)
  }

  /// Gives the stage back: another worker, or this one later, may train it.
  private func holdBack(_ reason: String, delay: Duration? = nil) async throws -> AttemptEnding {
    _ = try await queue.release(
      claimed.lease, reason: reason, delay: delay, progress: progress())
    return .heldBack(reason)
  }

  /// The checkpoint that training goes on from; nil at the start of training.
  private func resumed() async throws(CheckpointError) -> Checkpoint? {
    guard let resume = claimed.resume else { return nil }
    let (store, limit) = (store, claimed.memoryBytes)
    return try await blocking("reading a checkpoint") { () throws(CheckpointError) in
      // The memory of a stage holds its state several times.
      try store.read(resume.file, digest: resume.digest, limit: limit)
    }
  }

  /// Data that this machine does not have now.
  private struct MissingData: Error, CustomStringConvertible {
    let digest: String
    let reason: DatasetError
    var description: String { reason.description }
  }

  /// The stage, checked, and its data. Asks nothing of the queue.
  private func prepared() async throws -> (StageWork, Dataset) {
    let work = try StageWork(claimed)
    // Before anything is opened: a submitter may have sent data of any size. The published sizes of a set
    // without a pinned digest say nothing of the files that are here.
    let published = work.spec.dataset.publishedFacts
    try work.check(published?.digest == nil ? nil : published, planned: claimed.memoryBytes)
    guard let digest = work.spec.datasetDigest else { throw UnsoundStage.namesNoData }
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

  private func report(_ error: CheckpointError) async throws -> AttemptEnding {
    if case .away = error {
      return try await holdBack(error.description, delay: StageRunner.absentStoreDelay)
    }
    logger.error(
      "a checkpoint cannot be used; an earlier one will be", metadata: ["error": "\(error)"])
    _ = try await queue.reportDamage(
      claimed.lease, checkpoint: claimed.resume?.checkpoint ?? 0, reason: error.description)
    return .damaged("\(error)")
  }

  // MARK: - Training

  private func train(
    _ work: StageWork, _ dataset: Dataset, from checkpoint: Checkpoint?
  ) async throws -> AttemptEnding {
    let (reports, continuation) = AsyncStream.makeStream(
      of: Report.self, bufferingPolicy: .bufferingOldest(StageRunner.mostReports))
    let thread = Thread { trainOnThisThread(work, dataset, checkpoint, continuation) }
    thread.name = "stage \(claimed.lease.stage)"
    thread.stackSize = 8 << 20
    thread.start()
    // Whatever ends this function, no thread trains on in vain.
    defer { control.command(.abandon) }
    var unrecorded: [MeasurementRow] = []
    var ending = AttemptEnding.abandoned
    for await report in reports {
      switch report {
      case .measured(let measurement):
        news(.measured(claimed, measurement))
        unrecorded.append(MeasurementRow(measurement))
        if try await accepted({ try await queue.record(claimed.lease, unrecorded) }) {
          unrecorded = []
        }
      case .checkpointed(let checkpoint):
        _ = try await accepted {
          try await queue.registerCheckpoint(
            claimed.lease, checkpoint: checkpoint, measurements: unrecorded, progress: progress())
        }
      case .ended(let end): ending = try await record(end, unrecorded)
      }
    }
    return ending
  }

  private func record(_ ending: Ending, _ measurements: [MeasurementRow]) async throws
    -> AttemptEnding
  {
    switch ending {
    case .finished(let checkpoint):
      return try await finish(checkpoint, measurements, progress()) ? .finished : .lost
    case .drained(let checkpoint):
      let isOurs = try await queue.registerCheckpoint(
        claimed.lease, checkpoint: checkpoint, measurements: measurements, progress: progress())
      guard isOurs else { return .lost }
      _ = try await queue.release(
        claimed.lease, reason: "drained", delay: nil, progress: progress())
      return .drained(samples: checkpoint.samples)
    case .abandoned: return .abandoned
    case .diverged(let reason):
      _ = try await queue.diverge(
        claimed.lease, reason: reason, measurements: measurements, progress: progress())
      return .diverged(reason)
    case .failed(let reason):
      _ = try await queue.fail(
        claimed.lease, reason: reason, permanent: true, progress: progress())
      return .failed(reason)
    case .unwritten(let reason):
      return try await holdBack(reason, delay: StageRunner.fullDiskDelay)
    case .unreadable(let reason, let checkpoint):
      if let checkpoint {
        _ = try await queue.registerCheckpoint(
          claimed.lease, checkpoint: checkpoint, measurements: measurements, progress: progress())
      }
      if let digest = claimed.spec["dataset_digest"]?.stringValue { lacks(digest) }
      return try await holdBack(reason)
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
    // In their order, and none lost: where the queue has not been told of many, training waits.
    @Sendable func tell(_ report: Report) {
      while case .dropped = reports.yield(report) {
        if case .abandon = control.directive() { return }
        Thread.sleep(forTimeInterval: 0.05)
      }
    }
    var lastCheckpoint = ContinuousClock.now
    // A copy of the state is compressed and written beside training, one at a time.
    let writing = DispatchQueue(label: "checkpoints of stage \(claimed.lease.stage)")
    let isWriting = Atomic(false)
    let hooks = StageTrainer.Hooks(
      directive: control.directive,
      measured: { tell(.measured($0)) },
      wantsCheckpoint: {
        !isWriting.load(ordering: .acquiring)
          && ContinuousClock.now - lastCheckpoint >= settings.checkpointEvery
      },
      checkpointed: { content in
        lastCheckpoint = .now
        isWriting.store(true, ordering: .releasing)
        writing.async {
          do throws(CheckpointError) {
            tell(.checkpointed(try write(content)))
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
      tell(.ended(.failed(error.description)))
      return
    }
    let outcome = trainer.run()
    writing.sync {}  // What is under way comes first.
    tell(.ended(ending(of: outcome)))
  }

  private func ending(of outcome: StageOutcome) -> Ending {
    switch outcome {
    case .finished(let end): finish(end.content)
    case .drained(let end): drain(end.content)
    case .abandoned: .abandoned
    case .diverged(let reason): .diverged(reason)
    case .unreadable(let error, let end):
      // Without room the stage goes on from the checkpoint before.
      .unreadable("\(error)", try? write(end.content))
    }
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

  private func write(_ content: TrainingState.Content) throws(CheckpointError) -> CheckpointRow {
    // The name carries the attempt: a zombie cannot overwrite another attempt's file.
    let name = CheckpointRow.fileName(
      of: claimed.lease, "samples-\(content.samples)-\(content.ghosts)\(CheckpointStore.ending)")
    let (checkpoint, parametersDigest) = content.sealed()
    let written = try store.write(checkpoint, as: name)
    return CheckpointRow(
      store: store.id, file: written.file, samples: content.samples, updates: content.updates,
      bytes: written.bytes, digest: written.digest, fingerprint: fingerprint,
      parametersDigest: parametersDigest)
  }

  private func progress() -> ProgressRow {
    var row = control.row
    row.reason = nil
    row.peakMemoryBytes = peakMemory()
    return row
  }
}

/// A stage that was planned by another version of jobctl: it is given back.
struct UnreadableStage: Error, CustomStringConvertible {
  let reason: String
  var description: String {
    "this version of jobctl cannot read the stage (\(reason)); a worker of the version that "
      + "submitted it may, and jobctl cancel ends the runs that want it"
  }
}

extension UnsoundStage {
  fileprivate static let namesNoData = UnsoundStage(
    description: "the stage is unsound: it names no digest of its data")
}

extension StageWork {
  /// Reads what was claimed.
  fileprivate init(_ claimed: ClaimedStage) throws {
    let spec: TrainingSpec
    do throws(InvalidDocument) { spec = try TrainingSpec(claimed.spec) } catch {
      // Values out of bounds are what the planner would have refused.
      guard error.problems.contains(where: \.isUnknown) else { throw error }
      throw UnreadableStage(reason: error.description)
    }
    guard let law = Law(claimed.law) else { throw UnreadableStage(reason: "its law") }
    let probe = claimed.probe.map { GradientProbe($0) }
    if case .some(.none) = probe { throw UnreadableStage(reason: "its gradient probe") }
    self.init(
      digest: claimed.digest, spec: spec, probe: probe ?? nil, seed: claimed.seed, law: law,
      start: claimed.start, end: claimed.end, startUpdates: claimed.startUpdates)
  }
}
