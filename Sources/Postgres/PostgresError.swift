/// What can go wrong between us and PostgreSQL. Texts never hold a parameter's value or a password.
package enum PostgresError: Error, CustomStringConvertible {
  /// No connection could be made.
  case cannotConnect(String)
  /// The connection broke; whether the statement took effect is unknown.
  case connectionLost(String)
  /// No answer in time; the connection was closed and the statement's effect is unknown.
  case timedOut(after: Duration)
  /// The server refused the statement.
  case server(SQLState, message: String, hint: String?)
  /// The connection string itself is wrong.
  case badTarget(String)

  package var description: String {
    switch self {
    case .cannotConnect(let reason): "cannot connect to PostgreSQL: \(reason)"
    case .connectionLost(let reason): "the connection to PostgreSQL was lost: \(reason)"
    case .timedOut(let limit): "PostgreSQL did not answer within \(limit)"
    case .server(let state, let message, let hint):
      // Class JC: the queue's own refusals, which are sentences for its users.
      (state.code.hasPrefix("JC") ? message : "PostgreSQL: \(message) (\(state.code))")
        + (hint.map { "; \($0)" } ?? "")
    case .badTarget(let reason): "the database address is wrong: \(reason)"
    }
  }

  /// Whether the same statement may succeed if it is sent again, on a new connection where needed.
  package var isTransient: Bool {
    switch self {
    case .cannotConnect, .connectionLost, .timedOut: true
    case .server(let state, _, _): state.isTransient
    case .badTarget: false
    }
  }

  /// Whether the server rolled the statement back for another's sake: it had no effect.
  var isConflict: Bool {
    if case .server(let state, _, _) = self { state.isConflict } else { false }
  }
}

/// A five-character SQLSTATE. Matched whole or by its two-character class in a `switch`.
package struct SQLState: Hashable, Sendable {
  package let code: String

  package init(_ code: String) { self.code = code }

  /// Connection exceptions, an administrator's shutdown, a crash, starting up; resources that have run
  /// out, as memory, the server's disk or connections; a file that cannot be read or written; limits of
  /// time for statements and locks; a server that has become a standby; conflicts.
  var isTransient: Bool {
    let classes = ["08", "53", "58"]
    let codes = ["57P01", "57P02", "57P03", "57P05", "57014", "55P03", "25006"]
    return classes.contains { code.hasPrefix($0) } || codes.contains(code) || isConflict
  }

  /// Serialization failures and deadlocks.
  var isConflict: Bool { ["40001", "40P01"].contains(code) }
}

package func ~= (code: String, state: SQLState) -> Bool { state.code == code }
