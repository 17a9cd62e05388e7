import JobQueue
import Synchronization

/// Messages to the worker's loop, in their order. Their number is bounded: of ticks and pokes one waits
/// at the most (another would say the same), and the loop has few other things under way for each slot.
package final class Inbox: Sendable {
  package enum Message: Sendable {
    case event(WorkerCore.Event)
    /// Stages that were claimed, with all that is known of them.
    case claimed(Claims, sent: ContinuousClock.Instant)
    /// The queue's answer to a heartbeat of the worker that had this number then.
    case answered(WorkerCore.HeartbeatAnswer, of: Int)
    /// The queue's number of this worker; nil where it did not answer.
    case registered(Int?)
  }

  /// Messages that say the same however often they are sent.
  private struct Waiting {
    var tick = false
    var poke = false
  }

  package let messages: AsyncStream<Message>
  private let continuation: AsyncStream<Message>.Continuation
  private let waiting = Mutex(Waiting())

  package init(slots: Int) {
    // A claim, a heartbeat, a question, a registration, a drain, a tick and a poke; of each slot an end
    // and what was claimed with it, and as much again before the loop has seen them.
    (messages, continuation) = AsyncStream.makeStream(
      of: Message.self, bufferingPolicy: .bufferingOldest(8 + 4 * slots))
  }

  package func send(_ message: Message) {
    if case .dropped = continuation.yield(message) {
      preconditionFailure("the worker's inbox is full; \(message) would be lost")
    }
  }

  package func tick() {
    let isNews = waiting.withLock { waiting in
      defer { waiting.tick = true }
      return !waiting.tick
    }
    if isNews { send(.event(.tick)) }
  }

  /// Work may have become ready.
  package func poke() {
    let isNews = waiting.withLock { waiting in
      defer { waiting.poke = true }
      return !waiting.poke
    }
    if isNews { send(.event(.poke)) }
  }

  /// The loop has taken a message out: the next of its kind is news.
  package func took(_ message: Message) {
    switch message {
    case .event(.tick): waiting.withLock { $0.tick = false }
    case .event(.poke): waiting.withLock { $0.poke = false }
    default: break
    }
  }
}
