import Checkpoints
import Foundation
import Host
import JobQueue
import Logging
import Synchronization
import Training

/// The life of one attempt at a stage: resume, train, record, check in, finish. A backend trains, on a
/// thread of its own; everything that talks to queue and store happens here.
struct Attempt: Sendable {
  let claimed: ClaimedStage
  /// Nil where this worker has none of the stage's name.
  let backend: (any TrainingBackend)?
  let control: StageControl
  let queue: JobQueue
  let store: any CheckpointStore
  let checkpointEvery: Duration
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
    case measured(MeasurementRow)
    case checkpointed(CheckpointRow)
    case ended(Ending)
  }

  private enum Ending: Sendable {
    case finished(CheckpointRow)
    case drained(CheckpointRow)
    case unavailable(String)
    case stopped
    case abandoned
    case diverged(String)
    case crashed(String, hasProgressed: Bool)
    /// The store could not take the checkpoint.
    case unwritten(String)
    /// With a checkpoint of the moment before where there was room.
    case unreadable(digest: String, reason: String, CheckpointRow?)
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
    let stage: any PreparedStage
    do throws(StageRefusal) {
      guard let backend else { throw .anotherVersion("its backend \(claimed.backend)") }
      stage = try await backend.prepare(claimed)
    } catch {
      return try await answer(error)
    }
    let checkpoint: Checkpoint?
    do {
      checkpoint = try await resumed()
    } catch {
      return try await report(error)
    }
    news(.started(claimed, from: claimed.resume?.samples ?? 0))
    return try await train(stage, from: checkpoint)
  }

  private func answer(_ refusal: StageRefusal) async throws -> AttemptEnding {
    let reason = refusal.description
    switch refusal {
    case .missingData(let digest, _):
      lacks(digest)
      return try await holdBack(reason)
    case .unavailable: return try await holdBack(reason, delay: Attempt.absentStoreDelay)
    case .anotherVersion:
      return try await holdBack(reason, delay: cannotRead(claimed.lease.stage))
    case .unsound:
      _ = try await queue.fail(
        claimed.lease, reason: reason, permanent: true, progress: progress())
      return .failed(reason)
    }
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

  private func report(_ error: CheckpointError) async throws -> AttemptEnding {
    if case .away = error {
      return try await holdBack(error.description, delay: Attempt.absentStoreDelay)
    }
    logger.error(
      "a checkpoint cannot be used; an earlier one will be", metadata: ["error": "\(error)"])
    _ = try await queue.reportDamage(
      claimed.lease, checkpoint: claimed.resume?.checkpoint ?? 0, reason: error.description)
    return .damaged("\(error)")
  }

  // MARK: - Training

  private func train(
    _ stage: any PreparedStage, from checkpoint: Checkpoint?
  ) async throws -> AttemptEnding {
    let (reports, continuation) = AsyncStream.makeStream(
      of: Report.self, bufferingPolicy: .bufferingOldest(Attempt.mostReports))
    let thread = Thread { trainOnThisThread(stage, checkpoint, continuation) }
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
        unrecorded.append(measurement)
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
    case .stopped: return try await holdBack("drained")
    case .unavailable(let reason):
      return try await holdBack(reason, delay: Attempt.absentStoreDelay)
    case .abandoned: return .abandoned
    case .crashed(let reason, let hasProgressed):
      // What was trained since the attempt before is kept, so this comes to an end.
      if hasProgressed { return try await holdBack(reason, delay: .seconds(1)) }
      _ = try await queue.fail(
        claimed.lease, reason: reason, permanent: false, progress: progress())
      return .failed(reason)
    case .diverged(let reason):
      _ = try await queue.diverge(
        claimed.lease, reason: reason, measurements: measurements, progress: progress())
      return .diverged(reason)
    case .failed(let reason):
      _ = try await queue.fail(
        claimed.lease, reason: reason, permanent: true, progress: progress())
      return .failed(reason)
    case .unwritten(let reason):
      return try await holdBack(reason, delay: Attempt.fullDiskDelay)
    case .unreadable(let digest, let reason, let checkpoint):
      if let checkpoint {
        _ = try await queue.registerCheckpoint(
          claimed.lease, checkpoint: checkpoint, measurements: measurements, progress: progress())
      }
      lacks(digest)
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
    _ stage: any PreparedStage, _ checkpoint: Checkpoint?,
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
    let writer = CheckpointWriter(stage: claimed.lease.stage, every: checkpointEvery) {
      draft, number in
      do throws(CheckpointError) { tell(.checkpointed(try write(draft, number: number))) } catch {
        // Training goes on from memory; the next checkpoint may find room.
        logger.warning("no checkpoint was written", metadata: ["error": "\(error)"])
      }
    }
    let ending = stage.train(
      from: checkpoint,
      AttemptCalls(
        directive: {
          let directive = control.directive()
          guard case .proceed(let threads) = directive, writer.isDueNow() else { return directive }
          return .checkpoint(threads: threads)
        },
        report: { event in
          switch event {
          case .progressed(let progress):
            control.note(progress)
            news(.progressed(claimed, progress))
          case .measured(let measurement): tell(.measured(measurement))
          case .checkpoint(let draft): writer.write(draft)
          case .wrote(let text): control.note(log: text)
          }
        }))
    // The queue hears of a checkpoint that is being written before it hears of the end.
    writer.wait()
    tell(.ended(checkedIn(ending)))
  }

  /// Writes the checkpoint that a stage ends with.
  private func checkedIn(_ ending: StageEnding) -> Ending {
    switch ending {
    case .finished(let draft): finish(draft)
    case .drained(let draft): drain(draft)
    case .stopped: .stopped
    case .unavailable(let reason): .unavailable(reason)
    case .abandoned: .abandoned
    case .diverged(let reason): .diverged(reason)
    case .crashed(let reason, let hasProgressed):
      .crashed(reason, hasProgressed: hasProgressed)
    // Without room the stage goes on from the checkpoint before.
    case .unreadable(let digest, let reason, let draft):
      .unreadable(digest: digest, reason: reason, try? write(draft))
    case .failed(let reason): .failed(reason)
    }
  }

  private func drain(_ draft: CheckpointDraft) -> Ending {
    do throws(CheckpointError) { return .drained(try write(draft)) } catch {
      return .unwritten("\(error)")
    }
  }

  /// A stage that is trained waits for room as long as it is ours: what it took is worth more than a
  /// slot. A drained worker cannot wait.
  private func finish(_ draft: CheckpointDraft) -> Ending {
    defer { control.waits(for: nil) }
    var next = ContinuousClock.now
    while true {
      let reason: String
      do throws(CheckpointError) { return .finished(try write(draft)) } catch {
        reason = "\(error)"
      }
      control.waits(for: reason)
      if next <= .now {
        logger.warning("a trained stage waits for its checkpoint", metadata: ["error": "\(reason)"])
        next = .now + .seconds(60)
      }
      for _ in 0..<20 {
        switch control.directive() {
        case .proceed, .checkpoint: Thread.sleep(forTimeInterval: 0.1)
        case .drain: return .unwritten(reason)
        case .abandon: return .abandoned
        }
      }
    }
  }

  /// `number` tells a checkpoint from others of the same moment: the state while a stage is tested is
  /// not the state after it, and no file replaces another.
  private func write(_ draft: CheckpointDraft, number: Int? = nil) throws(CheckpointError)
    -> CheckpointRow
  {
    // The name carries the attempt: a zombie cannot overwrite another attempt's file.
    let name = CheckpointRow.fileName(
      of: claimed.lease,
      draft.label + (number.map { "-\($0)" } ?? "") + StoreEntry.ending)
    let (checkpoint, parametersDigest) = try draft.seal()
    let written = try store.write(checkpoint, as: name)
    return CheckpointRow(
      store: store.id, file: written.file, samples: draft.samples, updates: draft.updates,
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
