import Foundation
import JobQueue

/// Waiting for facts. No test asks how long something takes: patience is long, and only ends tests that would
/// never end.

package struct WaitedInVain: Error, CustomStringConvertible {
  package let fact: String
  package var description: String { "waited for five minutes, in vain, until \(fact)" }
}

/// Asks again and again until the answer is yes.
package func until(_ fact: String, _ isSo: () async throws -> Bool) async throws {
  let start = ContinuousClock.now
  while try await !isSo() {
    guard ContinuousClock.now - start < .seconds(300) else { throw WaitedInVain(fact: fact) }
    try await Task.sleep(for: .milliseconds(20))
  }
}

/// Waits until a process that the test started has ended.
package func untilEnded(_ process: Process) async throws {
  try await until("process \(process.processIdentifier) has ended") { !process.isRunning }
}

extension JobQueue {
  /// Asks the database until this is its answer. The queue's clock is moved on by `passing` before each
  /// further question.
  package func until(
    _ sql: String, is answer: String = "t", passing: Duration? = nil
  ) async throws {
    var isFirst = true
    try await TestSupport.until("\"\(sql)\" is \(answer)") {
      if !isFirst, let passing { try await pass(passing) }
      isFirst = false
      return try await value(sql) == answer
    }
  }
}
