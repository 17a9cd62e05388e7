import CPostgres
import Dispatch
import Foundation

/// One connection of libpq, as an actor with a thread of its own: statements block that thread and
/// none of the cooperative pool.
package actor Connection {
  private let owned: Handle
  private var handle: OpaquePointer { owned.pointer }
  package nonisolated let executor: ThreadExecutor
  /// Statements that the server keeps parsed, by their text.
  private var prepared: [String: String] = [:]

  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    executor.asUnownedSerialExecutor()
  }

  /// Seconds until an attempt to connect is given up, where the target does not say.
  private static let connectTimeout = "10"

  package static func open(_ target: ConnectionTarget) async throws(PostgresError) -> Connection {
    // Connecting blocks: on a thread of its own, like everything after it.
    let executor = ThreadExecutor(label: "postgres connection")
    let result = await withCheckedContinuation { continuation in
      executor.queue.async {
        continuation.resume(returning: Result { () throws(PostgresError) in try connect(target) })
      }
    }
    return Connection(try result.get(), executor)
  }

  private init(_ handle: Handle, _ executor: ThreadExecutor) {
    owned = handle
    self.executor = executor
  }

  deinit { PQfinish(owned.pointer) }

  /// Sendable: libpq's pointer is made on the connecting thread and used by the actor alone after it.
  private struct Handle: @unchecked Sendable { let pointer: OpaquePointer }

  private static func connect(_ target: ConnectionTarget) throws(PostgresError) -> Handle {
    // What comes before dbname is a default; the target overrides it.
    let settings = [
      ("fallback_application_name", "jobctl \(getpid())"), ("connect_timeout", connectTimeout),
      ("keepalives_idle", "30"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
      // Keepalives are silent while something that was sent is not acknowledged.
      ("tcp_user_timeout", "20000"),
      ("client_encoding", "UTF8"), ("dbname", target.string),
    ]
    let keys = settings.map { strdup($0.0) } + [nil]
    let values = settings.map { strdup($0.1) } + [nil]
    defer { for pointer in keys + values { free(pointer) } }
    let pointer = PQconnectdbParams(
      keys.map { UnsafePointer($0) }, values.map { UnsafePointer($0) }, 1)
    guard let pointer else { throw .cannotConnect("no memory") }
    guard PQstatus(pointer) == CONNECTION_OK else {
      defer { PQfinish(pointer) }
      throw .cannotConnect(message(of: pointer))
    }
    PQsetNoticeProcessor(pointer, { _, _ in }, nil)
    return Handle(pointer: pointer)
  }

  private static func message(of handle: OpaquePointer) -> String {
    String(cString: PQerrorMessage(handle)).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  // MARK: - Statements

  /// Runs one statement with bound parameters. What is kept is parsed once a connection: for statements
  /// that are sent often, and whose result never changes its columns.
  @discardableResult
  package func query(
    _ sql: String, _ parameters: [Parameter] = [], timeout: Duration? = nil, keeping: Bool = false
  ) throws(PostgresError) -> Rows {
    let values = parameters.map { $0.wire.map { strdup($0) } ?? nil }
    defer { for value in values { free(value) } }
    let pointers = values.map { UnsafePointer($0) }
    let sent =
      if keeping {
        PQsendQueryPrepared(
          handle, try statement(sql, timeout), Int32(values.count), pointers, nil, nil, 0)
      } else {
        PQsendQueryParams(handle, sql, Int32(values.count), nil, pointers, nil, nil, 0)
      }
    guard sent == 1 else { throw .connectionLost(Connection.message(of: handle)) }
    return try results(timeout: timeout)
  }

  /// The name under which the server knows a statement.
  private func statement(_ sql: String, _ timeout: Duration?) throws(PostgresError) -> String {
    if let name = prepared[sql] { return name }
    let name = "jobctl_\(prepared.count)"
    guard PQsendPrepare(handle, name, sql, 0, nil) == 1 else {
      throw .connectionLost(Connection.message(of: handle))
    }
    _ = try results(timeout: timeout)
    prepared[sql] = name
    return name
  }

  /// Runs a script of several statements without parameters, in one implicit transaction.
  package func run(script: String) throws(PostgresError) {
    guard PQsendQuery(handle, script) == 1 else {
      throw .connectionLost(Connection.message(of: handle))
    }
    _ = try results(timeout: nil)
  }

  /// The body in one transaction: committed when it returns, rolled back when it throws.
  package func transaction<Result: Sendable>(
    _ body: @Sendable (isolated Connection) throws(PostgresError) -> Result
  ) throws(PostgresError) -> Result {
    try query("begin")
    do throws(PostgresError) {
      let result = try body(self)
      try query("commit")
      return result
    } catch {
      // The first error is the one to tell; a broken connection has rolled back by itself.
      _ = try? query("rollback")
      throw error
    }
  }

  /// Rows into a table: `sql` is a COPY ... FROM STDIN, `next` gives its lines piece by piece, and nil
  /// at the end.
  package func copy(_ sql: String, _ next: () -> CopyLines?) throws(PostgresError) {
    guard PQsendQuery(handle, sql) == 1 else {
      throw .connectionLost(Connection.message(of: handle))
    }
    let answer = PQgetResult(handle)
    let (status, refusal) = (PQresultStatus(answer), answer.map(error(of:)))
    PQclear(answer)
    guard status == PGRES_COPY_IN else {
      _ = try results(timeout: nil)
      throw refusal ?? .connectionLost(Connection.message(of: handle))
    }
    while let lines = next() {
      let sent = lines.bytes.withUnsafeBufferPointer { buffer in
        buffer.withMemoryRebound(to: CChar.self) {
          PQputCopyData(handle, $0.baseAddress, Int32($0.count))
        }
      }
      // A server that refuses a line says so at the end.
      guard sent == 1 else { break }
    }
    guard PQputCopyEnd(handle, nil) == 1 else {
      throw .connectionLost(Connection.message(of: handle))
    }
    _ = try results(timeout: nil)
  }

  /// One statement in a transaction that is rolled back: what it says, without what it does.
  package func rehearse(_ sql: String, _ parameters: [Parameter]) throws(PostgresError) -> Rows {
    try query("begin")
    do throws(PostgresError) {
      let rows = try query(sql, parameters)
      try query("rollback")
      return rows
    } catch {
      // A connection that cannot do this is broken, and its transaction with it.
      _ = try? query("rollback")
      throw error
    }
  }

  private func results(timeout: Duration?) throws(PostgresError) -> Rows {
    let deadline = timeout.map { ContinuousClock.now + $0 }
    var rows = Rows(columns: [], values: [])
    var failure: PostgresError?
    while true {
      try waitUntilReadable(deadline, timeout)
      guard let result = PQgetResult(handle) else { break }
      defer { PQclear(result) }
      switch PQresultStatus(result) {
      case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
        rows = Connection.rows(of: result)
      default: failure = failure ?? error(of: result)
      }
    }
    if PQstatus(handle) != CONNECTION_OK {
      throw .connectionLost(failure?.description ?? Connection.message(of: handle))
    }
    if let failure { throw failure }
    return rows
  }

  /// Waits until a result can be had without blocking.
  private func waitUntilReadable(
    _ deadline: ContinuousClock.Instant?, _ timeout: Duration?
  ) throws(PostgresError) {
    while PQisBusy(handle) == 1 {
      var rest: Int32 = -1
      if let deadline {
        let left = deadline - .now
        rest = Int32(max(0, min(left / .milliseconds(1), 1e9)))
      }
      var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
      let ready = poll(&descriptor, 1, rest)
      if ready < 0 && errno == EINTR { continue }
      if ready == 0, let timeout {
        // Nothing more may happen on this connection: its state is unknown.
        shutdown(PQsocket(handle), Int32(SHUT_RDWR))
        throw .timedOut(after: timeout)
      }
      guard PQconsumeInput(handle) == 1 else {
        throw .connectionLost(Connection.message(of: handle))
      }
    }
  }

  private func error(of result: OpaquePointer) -> PostgresError {
    func field(_ code: Character) -> String? {
      PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
    }
    // PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY, PG_DIAG_MESSAGE_HINT
    guard let state = field("C") else { return .connectionLost(Connection.message(of: handle)) }
    return .server(SQLState(state), message: field("M") ?? "", hint: field("H"))
  }

  private static func rows(of result: OpaquePointer) -> Rows {
    let (width, height) = (PQnfields(result), PQntuples(result))
    let columns = (0..<width).map { String(cString: PQfname(result, $0)) }
    let values = (0..<height).map { row in
      (0..<width).map { column -> String? in
        guard PQgetisnull(result, row, column) == 0 else { return nil }
        return String(cString: PQgetvalue(result, row, column))
      }
    }
    return Rows(columns: columns, values: values)
  }

  // MARK: - Notifications

  package func listen(_ channel: String) throws(PostgresError) {
    guard let quoted = PQescapeIdentifier(handle, channel, channel.utf8.count) else {
      throw .connectionLost(Connection.message(of: handle))
    }
    defer { PQfreemem(quoted) }
    try query("listen \(String(cString: quoted))")
  }

  /// Waits up to `limit` for a notification on any channel; true when one or more came.
  package func waitForNotification(_ limit: Duration) throws(PostgresError) -> Bool {
    let deadline = ContinuousClock.now + limit
    while true {
      guard PQconsumeInput(handle) == 1 else {
        throw .connectionLost(Connection.message(of: handle))
      }
      var came = false
      while let notification = PQnotifies(handle) {
        PQfreemem(notification)
        came = true
      }
      let left = deadline - .now
      guard !came, left > .zero else { return came }
      var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
      _ = poll(&descriptor, 1, Int32(max(1, left / .milliseconds(1))))
    }
  }
}

/// A thread as the executor of an actor, or of tasks that no other work may block.
package final class ThreadExecutor: SerialExecutor, TaskExecutor {
  let queue: DispatchQueue

  package init(label: String) { queue = DispatchQueue(label: label) }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async {
      job.runSynchronously(
        isolatedTo: self.asUnownedSerialExecutor(), taskExecutor: self.asUnownedTaskExecutor())
    }
  }
}
