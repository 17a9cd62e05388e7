import Foundation
import Logging
import Synchronization

/// A database that may go away and come back: one connection, made again with back-off when it
/// breaks. Statements sent through it must bear being sent twice.
package final class Database: Sendable {
  package let target: ConnectionTarget
  private let logger: Logger
  private let current = Mutex<Connection?>(nil)

  package init(_ target: ConnectionTarget, logger: Logger) {
    self.target = target
    self.logger = logger
  }

  /// How long to go on trying where the database does not answer.
  package enum Patience: Sendable {
    /// Say so at once: somebody is waiting at a terminal.
    case none
    /// Keep trying for so long; a restart of PostgreSQL takes seconds.
    case upTo(Duration)
  }

  /// A deadlock's victim is sent again so many times, however little patience there is.
  private static let mostConflicts = 10

  package func query(
    _ sql: String, _ parameters: [Parameter] = [], timeout: Duration? = nil,
    patience: Patience = .none, keeping: Bool = false
  ) async throws -> Rows {
    try await withConnection(patience: patience) { connection throws(PostgresError) in
      try await connection.query(sql, parameters, timeout: timeout, keeping: keeping)
    }
  }

  package func withConnection<Result: Sendable>(
    patience: Patience = .none,
    _ body: @Sendable (Connection) async throws(PostgresError) -> Result
  ) async throws -> Result {
    let start = ContinuousClock.now
    var delay = Duration.milliseconds(100)
    var conflicts = 0
    while true {
      do throws(PostgresError) {
        return try await body(try await connection())
      } catch {
        if error.isConflict, conflicts < Database.mostConflicts {
          // Rolled back by the server on a connection that is well.
          conflicts += 1
          try await Task.sleep(for: .milliseconds(Int.random(in: 1...20 * conflicts)))
          continue
        }
        guard error.isTransient else { throw error }
        current.withLock { $0 = nil }
        guard case .upTo(let limit) = patience, ContinuousClock.now - start + delay < limit else {
          throw error
        }
        logger.warning(
          "the database does not answer; trying again", metadata: ["error": "\(error)"])
        try await Task.sleep(for: delay * Double.random(in: 0.5...1))
        delay = min(delay * 2, .seconds(5))
      }
    }
  }

  /// The thread of the connection, for tasks that do little but ask it.
  package func executor() async throws -> ThreadExecutor { try await connection().executor }

  private func connection() async throws(PostgresError) -> Connection {
    if let connection = current.withLock({ $0 }) { return connection }
    let fresh = try await Connection.open(target)
    current.withLock { $0 = fresh }
    return fresh
  }
}
