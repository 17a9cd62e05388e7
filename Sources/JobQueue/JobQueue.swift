import Foundation
import Postgres
import Values

/// The queue as Swift sees it: one method for each function of schema `api`, those of users in
/// UserCalls.swift, those of workers in WorkerCalls.swift. The functions' meaning is written in
/// sql/functions.
package struct JobQueue: Sendable {
  package let database: Database

  package init(_ database: Database) { self.database = database }

  /// An answer of the database that this program does not understand.
  package struct UnexpectedAnswer: Error, CustomStringConvertible {
    package let function: String
    package var description: String { "\(function) gave an answer that cannot be read" }
  }

  /// How long a worker whose database is away keeps its state in memory and asks again. A file that
  /// was written in this time may still be registered.
  package static let longestOutage = Duration.seconds(24 * 3600)

  /// How long a claim holds without a heartbeat, unless a worker asks for another time.
  package static let lease = Duration.seconds(10)

  /// Calls a function that gives one document.
  func document(
    _ function: String, _ parameters: [Parameter], timeout: Duration? = nil,
    patience: Database.Patience = .none
  ) async throws -> JSON {
    let rows = try await database.query(
      "select api.\(function)(\(places(parameters)))", parameters, timeout: timeout,
      patience: patience, keeping: true)
    return try JobQueue.document(of: rows, function)
  }

  static func document(of rows: Rows, _ function: String) throws -> JSON {
    guard let text = rows.single, let node = try? JSON(parsing: text) else {
      throw UnexpectedAnswer(function: "api.\(function)")
    }
    return node
  }

  /// "$1, $2, $3"
  func places(_ parameters: [Parameter]) -> String {
    parameters.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
  }

  func interval(_ duration: Duration) -> Parameter {
    .text("\(duration / .milliseconds(1)) milliseconds")
  }
}

extension JSON {
  /// The rows of a list that a function gave.
  func rows<Row: TypedRow>(_ key: String, as type: Row.Type) throws(UnreadableRow) -> [Row] {
    guard let items = self[key]?.items else {
      throw UnreadableRow(
        row: Row.sqlName, column: key, type: "list", reason: self[key]?.kindName ?? "nothing")
    }
    var rows: [Row] = []
    for item in items { rows.append(try Row(item)) }
    return rows
  }
}
