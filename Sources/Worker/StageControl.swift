import Foundation
import JobQueue
import Synchronization
import Training

/// What passes between the thread that trains a stage and the service that answers for it.
final class StageControl: Sendable {
  enum Command: Sendable { case train, drain, abandon }

  private struct State {
    var command = Command.train
    var threads = 1
    var holdsUntil: ContinuousClock.Instant
    var progress: StageProgress?
    var waitsFor: String?
    var log: String?
  }

  private let state: Mutex<State>

  init(holdsUntil: ContinuousClock.Instant, threads: Int) {
    state = Mutex(State(threads: threads, holdsUntil: holdsUntil))
  }

  func note(_ progress: StageProgress) { state.withLock { $0.progress = progress } }

  /// Notes the end of what the stage's program has written.
  func note(log: String) { state.withLock { $0.log = log } }

  /// Notes what keeps the stage from going on, which `jobctl status` shows; nil where nothing does.
  func waits(for reason: String?) { state.withLock { $0.waitsFor = reason } }

  /// The queue is told this with every heartbeat.
  var row: ProgressRow {
    let (progress, reason, log) = state.withLock { ($0.progress, $0.waitsFor, $0.log) }
    var row = progress.map { ProgressRow($0) } ?? ProgressRow()
    row.reason = reason
    row.log = log
    return row
  }

  func allot(_ threads: Int) { state.withLock { $0.threads = threads } }

  func hold(until: ContinuousClock.Instant) {
    state.withLock { $0.holdsUntil = max($0.holdsUntil, until) }
  }

  /// A stage that is abandoned stays so.
  func command(_ command: Command) {
    state.withLock { if $0.command != .abandon { $0.command = command } }
  }

  /// The trainer's question at a ghost-batch boundary. Where the lease may have run out, the thread
  /// waits here with its state in memory until the queue has said whose the stage is.
  func directive() -> Directive {
    while true {
      let (command, threads, isHeld) = state.withLock {
        ($0.command, $0.threads, $0.holdsUntil > .now)
      }
      switch command {
      case .abandon: return .abandon
      case .drain where isHeld: return .drain
      case .train where isHeld: return .proceed(threads: threads)
      default: Thread.sleep(forTimeInterval: 0.05)
      }
    }
  }
}
