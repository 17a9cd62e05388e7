import Dispatch
import Foundation

/// Signals that ask a process to end. A terminal, a service manager and a batch system each send others.
/// One that was ignored when the process started (nohup) stays ignored.
package final class EndingSignals {
  private static let all = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU,
  ]

  private let sources: [any DispatchSourceSignal]

  /// `handler` gets each signal that comes, and how often it has come.
  package init(
    _ handler: @escaping @Sendable (_ signal: Int32, _ count: Int) -> Void
  ) {
    // One call of the handler at a time, off the cooperative pool.
    let queue = DispatchQueue(label: "signals")
    sources = EndingSignals.all.filter { !EndingSignals.isIgnored($0) }.map { signal in
      let source = DispatchSource.makeSignalSource(signal: signal, queue: queue)
      nonisolated(unsafe) var count = 0  // Touched by handlers of this queue alone.
      source.setEventHandler {
        count += 1
        handler(signal, count)
      }
      source.resume()
      return source
    }
  }

  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(signal, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }

  deinit { for source in sources { source.cancel() } }
}
