import JobQueue
import Postgres
import TestSupport
import Testing

@Suite struct ConnectionTests {
  @Test func parametersAreBoundAndComeBackAsTheyWere() async throws {
    let connection = try await Connection.open(try await TestCluster.database())
    let odd = "'; drop table x; -- \\ \" ü {,}"
    let rows = try await connection.query(
      "select $1::text, $2::bigint, $3::text[] = array[$1, 'b'], $4::text, $5::bool",
      [.text(odd), 42, .texts([odd, "b"]), .null, .bool(true)])
    #expect(rows.values == [[odd, "42", "t", nil, "t"]])
  }

  @Test func errorsHaveTheirSQLState() async throws {
    let connection = try await Connection.open(try await TestCluster.database())
    do {
      try await connection.query("select 1/0")
      Issue.record("dividing by zero must fail")
    } catch {
      guard case .server("22012", _, _) = error else {
        Issue.record("\(error)")
        return
      }
    }
    // The connection is as good as before.
    #expect(try await connection.query("select 1").single == "1")
  }

  @Test func aPasswordInAnArgumentIsRefused() {
    for address in ["password=secret host=x", "postgresql://me:secret@x/y"] {
      #expect(throws: PostgresError.self) { try ConnectionTarget(address) }
      do { _ = try ConnectionTarget(address) } catch { #expect(!"\(error)".contains("secret")) }
    }
    #expect((try? ConnectionTarget("postgresql://me@x/y")) != nil)
  }

  @Test func aStatementThatTakesTooLongIsGivenUp() async throws {
    let connection = try await Connection.open(try await TestCluster.database())
    await #expect(throws: PostgresError.self) {
      try await connection.query("select pg_sleep(600)", timeout: .milliseconds(100))
    }
  }

  @Test func aTerminatedConnectionIsMadeAgain() async throws {
    let database = Database(try await TestCluster.database(), logger: quietLogger)
    let pid = try await database.query("select pg_backend_pid()").single ?? ""
    let other = try await Connection.open(database.target)
    try await other.query("select pg_terminate_backend($1::int)", [.text(pid)])
    let fresh = try await database.query(
      "select pg_backend_pid()", patience: .upTo(.seconds(60))
    ).single
    #expect(fresh != nil && fresh != pid)
  }

  @Test func notificationsArrive() async throws {
    let target = try await TestCluster.database()
    let listener = try await Connection.open(target)
    try await listener.listen("news")
    #expect(try await listener.waitForNotification(.milliseconds(10)) == false)
    try await Connection.open(target).query("notify news")
    #expect(try await listener.waitForNotification(.seconds(60)))
  }

  /// Which refusals are sent again: appendix A of PostgreSQL's manual names the codes.
  @Test(arguments: [
    ("08006", true), ("53100", true), ("53200", true), ("53300", true), ("57P01", true),
    ("57P02", true), ("57P03", true), ("57014", true), ("55P03", true), ("25006", true),
    ("58030", true), ("40001", true), ("40P01", true),
    ("23505", false), ("42501", false), ("42P01", false), ("22003", false), ("JC002", false),
    ("P0001", false), ("XX000", false),
  ])
  func aRefusalIsTransientByItsCode(code: String, isTransient: Bool) {
    let error = PostgresError.server(SQLState(code), message: "m", hint: nil)
    #expect(error.isTransient == isTransient)
  }
}
