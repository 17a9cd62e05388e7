import Foundation
import JobQueue
import Tables
import Synchronization
import Training
import Values
import Worker

/// A worker's progress for people: bars that are redrawn on a terminal, a line a measurement elsewhere.
final class ProgressDisplay: Sendable {
  private struct Bar {
    var stage: ClaimedStage
    var progress: StageProgress?
    var accuracy: Double?
  }

  private struct State {
    var bars: [Lease: Bar] = [:]
    var drawn = 0
    var last = ContinuousClock.now
  }

  private let isShown: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let state = Mutex(State())

  init(isShown: Bool) { self.isShown = isShown }

  func note(_ news: WorkerNews) {
    guard isShown else { return }
    state.withLock { state in
      switch news {
      case .registered, .heartbeatConfirmed, .draining: return
      case .started(let stage, _): state.bars[stage.lease] = Bar(stage: stage)
      case .progressed(let stage, let progress):
        state.bars[stage.lease]?.progress = progress
        guard isTerminal, ContinuousClock.now - state.last > .milliseconds(200) else { return }
      case .measured(let stage, let measurement):
        state.bars[stage.lease]?.accuracy = measurement.testAccuracy
        say(line(stage, measurement, state.bars[stage.lease]?.progress), &state)
      case .ended(let stage, let ending):
        state.bars[stage.lease] = nil
        if ending.kind != .finished {
          say("stage \(stage.lease.stage): \(printable(ending.description))", &state)
        }
      }
      if isTerminal { draw(&state) }
    }
  }

  func finish() {
    state.withLock { state in
      state.bars = [:]
      if isTerminal, isShown { draw(&state) }
    }
  }

  private func line(
    _ stage: ClaimedStage, _ measurement: MeasurementRow, _ progress: StageProgress?
  ) -> String {
    let others = stage.runs.count > 1 ? " (+\(stage.runs.count - 1) runs)" : ""
    return "\(stage.runs.first ?? "")\(others): epoch \(number(measurement.epoch, 2)), "
      + "update \(measurement.updates), batch \(measurement.batch), "
      + "learning rate \(JSON.text(of: measurement.learningRate)), "
      + "train loss \(number(measurement.trainLoss, 4)), "
      + "test \(percent(measurement.testAccuracy)) %, "
      + "\(number(progress?.samplesPerSecond, 0)) samples/s"
  }

  private func say(_ text: String, _ state: inout State) {
    erase(&state)
    write(text + "\n")
  }

  private func draw(_ state: inout State) {
    erase(&state)
    state.last = .now
    for bar in state.bars.values.sorted(by: { $0.stage.lease.stage < $1.stage.lease.stage }) {
      let done = bar.progress?.updates ?? 0
      let share = Double(done) / Double(max(bar.stage.updates, 1))
      let filled = min(24, Int(nearest: (share * 24).rounded(.down)))
      let picture =
        String(repeating: "#", count: filled) + String(repeating: ".", count: 24 - filled)
      let name = bar.stage.runs.first ?? ""
      let line =
        "[\(picture)] \(done)/\(bar.stage.updates) updates, "
        + "\(number(bar.progress?.samplesPerSecond, 0)) samples/s, \(name)"
      // A line that wraps could not be taken back.
      write(line.prefix(Terminal.size(of: STDERR_FILENO).columns - 1) + "\n")
      state.drawn += 1
    }
  }

  /// Takes back the bars that were drawn last.
  private func erase(_ state: inout State) {
    if state.drawn > 0 { write("\u{1B}[\(state.drawn)A\u{1B}[J") }
    state.drawn = 0
  }

  private func write(_ text: some StringProtocol) {
    FileHandle.standardError.write(Data(text.utf8))
  }
}
