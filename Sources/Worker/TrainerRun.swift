import Checkpoints
import Experiments
import Foundation
import JobQueue
import Trainers
import Training
import Values

/// One program that trains one stage: does what its session says.
struct TrainerRun {
  let stage: TrainerStage
  var session: TrainerSession
  let process: TrainerProcess
  let attempt: AttemptCalls
  /// The folder in which the program leaves its files.
  let output: String
  var log: LogTail
  /// The sample clock at which this attempt began.
  let resume: Int
  private let began = ContinuousClock.now
  private var samples: Int
  /// It has handed over a state that is further than the one that it began with.
  private var hasProgressed = false
  private var count = 0

  init(
    stage: TrainerStage, session: TrainerSession, process: TrainerProcess, attempt: AttemptCalls,
    output: String, log: LogTail, resume: Int
  ) {
    (self.stage, self.session, self.process, self.attempt) = (stage, session, process, attempt)
    (self.output, self.log, self.resume) = (output, log, resume)
    samples = resume
  }

  /// Returns when nothing of the program lives any more.
  mutating func toItsEnd() -> StageEnding {
    while true {
      var events: [TrainerSession.Event] = [.directive(attempt.directive())]
      events += process.wait(milliseconds: 50).map {
        switch $0 {
        case .connected: .connected
        case .line(let line): .line(line)
        case .ended(let exit): .ended(exit)
        }
      }
      events.append(.tick)
      if let text = log.news() { attempt.report(.wrote(text)) }
      for event in events {
        for action in session.handle(event, now: .now) {
          guard case .end(let ending) = action else {
            if let ending = carryOut(action) {
              process.end()
              return ending
            }
            continue
          }
          if let text = log.news(isLast: true) { attempt.report(.wrote(text)) }
          return result(of: ending)
        }
      }
    }
  }

  /// An ending where an action cannot be carried out.
  private mutating func carryOut(_ action: TrainerSession.Action) -> StageEnding? {
    switch action {
    case .send(let order): process.send(order)
    case .terminate: process.terminate()
    case .kill: process.kill()
    case .progressed(let samples):
      self.samples = samples
      attempt.report(.progressed(progress))
    case .measured(let measurement): attempt.report(.measured(row(of: measurement)))
    case .checkpoint(let samples, let file):
      do throws(TrainerState.Unreadable) {
        attempt.report(.checkpoint(try draft(of: file, samples: samples)))
        hasProgressed = hasProgressed || samples > resume
      } catch {
        return .failed(error.description)
      }
    case .end: break
    }
    return nil
  }

  private mutating func result(of ending: TrainerSession.Ending) -> StageEnding {
    do throws(TrainerState.Unreadable) {
      switch ending {
      case .finished(let file): return .finished(try draft(of: file, samples: stage.end))
      case .drained(let samples, let file): return .drained(try draft(of: file, samples: samples))
      case .stopped: return .stopped
      case .abandoned: return .abandoned
      case .diverged(let reason): return .diverged(reason)
      case .crashed(let reason): return .crashed(reason, hasProgressed: hasProgressed)
      case .failed(let reason): return .failed(reason)
      }
    } catch {
      return .failed(error.description)
    }
  }

  private mutating func draft(
    of file: String?, samples: Int
  ) throws(TrainerState.Unreadable) -> CheckpointDraft {
    count += 1
    let state = try TrainerState(
      taking: file, from: output, samples: samples,
      limit: stage.spec.resources.memoryBytes)
    return CheckpointDraft(
      samples: samples, updates: stage.updates(at: samples), label: "samples-\(samples)-\(count)",
      seal: state.sealed)
  }

  // MARK: - What it is doing

  private var seconds: Double { (ContinuousClock.now - began) / .seconds(1) }

  private var progress: StageProgress {
    let cores = stage.spec.resources.cores
    return StageProgress(
      updates: (samples - stage.start) / stage.law.batch, samples: samples, seconds: seconds,
      coreSeconds: seconds * Double(cores),
      samplesPerSecond: Double(samples - resume) / max(seconds, 1e-3), threads: cores,
      learningRate: rate(before: samples))
  }

  /// The rate of the update before this sample.
  private func rate(before samples: Int) -> Float {
    stage.law.rate.value(at: max(stage.start, samples - stage.law.batch))
  }

  private func row(of measurement: TrainerMeasurement) -> MeasurementRow {
    var row = MeasurementRow()
    let before = max(stage.start, measurement.samples - stage.law.batch)
    row.samples = measurement.samples
    row.epoch = Double(measurement.samples) / Double(stage.spec.samplesPerEpoch)
    row.updates = stage.updates(at: measurement.samples)
    row.batch = stage.law.batch
    row.learningRate = rate(before: measurement.samples)
    if stage.spec.optimizer.name.hasNoiseScale {
      row.noiseScale =
        stage.law.noiseScale(at: before, samples: stage.spec.samplesPerEpoch).approximate
    }
    (row.trainLoss, row.trainAccuracy) = (measurement.trainLoss, measurement.trainAccuracy)
    (row.testLoss, row.testAccuracy) = (measurement.testLoss, measurement.testAccuracy)
    row.validationLoss = measurement.validationLoss
    row.validationAccuracy = measurement.validationAccuracy
    row.testSamples = measurement.testSamples
    row.seconds = seconds
    row.coreSeconds = seconds * Double(stage.spec.resources.cores)
    if !measurement.numbers.isEmpty {
      row.numbers = .object(
        measurement.numbers.sorted { $0.key < $1.key }.map { .init($0.key, .real($0.value)) })
    }
    return row
  }
}

/// The end of a program's output, as the queue keeps it.
struct LogTail {
  private let file: String
  private var size = -1
  private var looked = ContinuousClock.now

  /// Bytes that the queue keeps.
  private static let most = 8192

  init(_ file: String) { self.file = file }

  /// The last lines, where there are new ones; asked at most every second.
  mutating func news(isLast: Bool = false) -> String? {
    guard isLast || ContinuousClock.now - looked > .seconds(1) else { return nil }
    looked = .now
    guard let handle = FileHandle(forReadingAtPath: file), let end = try? handle.seekToEnd(),
      Int(end) != size, end > 0
    else { return nil }
    size = Int(end)
    let start = max(0, Int(end) - LogTail.most)
    guard (try? handle.seek(toOffset: UInt64(start))) != nil,
      let bytes = try? handle.readToEnd()
    else { return nil }
    // PostgreSQL holds no NUL, and a character may have been cut.
    return String(decoding: bytes, as: UTF8.self).replacing("\0", with: "")
  }
}
