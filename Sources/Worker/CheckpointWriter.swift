import Foundation
import Synchronization

/// Writes checkpoints beside training, one at a time: a copy of the state is compressed while training goes
/// on. It says when the next one is due.
///
/// Sendable: what changes is guarded by a mutex.
final class CheckpointWriter: Sendable {
  private struct State {
    var last = ContinuousClock.now
    /// From the moment that a checkpoint is asked for until it is written.
    var isBusy = false
    var written = 0
  }

  private let state = Mutex(State())
  private let every: Duration
  private let queue: DispatchQueue
  private let place: @Sendable (CheckpointDraft, Int) -> Void

  /// `place` gets each draft with a number of its own.
  init(stage: Int, every: Duration, place: @escaping @Sendable (CheckpointDraft, Int) -> Void) {
    self.every = every
    self.place = place
    queue = DispatchQueue(label: "checkpoints of stage \(stage)")
  }

  /// True if the caller must ask the backend for a checkpoint now. The next one is due after this one is
  /// written.
  func isDueNow() -> Bool {
    state.withLock {
      guard !$0.isBusy, ContinuousClock.now - $0.last >= every else { return false }
      ($0.last, $0.isBusy) = (.now, true)
      return true
    }
  }

  func write(_ draft: CheckpointDraft) {
    queue.async {
      let number = self.state.withLock { state in
        state.written += 1
        return state.written
      }
      self.place(draft, number)
      self.state.withLock { $0.isBusy = false }
    }
  }

  /// Waits until all is written.
  func wait() { queue.sync {} }
}
