import Postgres

/// The server as it says itself, whether or not it has the queue's schema.
package struct ServerFacts: TypedRow {
  package private(set) var version = ""
  private var number = 0
  package private(set) var synchronousCommit = ""
  package private(set) var login = ""
  /// Seconds since 1970.
  package private(set) var clock = 0.0
  /// Roles of jobctl's that the login has; nil where it has none.
  package private(set) var roles: String?

  package static let sqlName = "the server"
  package static let columns: [Column<ServerFacts>] = [
    .init("version", \.version), .init("number", \.number),
    .init("durability", \.synchronousCommit), .init("login", \.login), .init("clock", \.clock),
    .init("roles", \.roles),
  ]
  package init() {}

  package var isNewEnough: Bool { number >= 150_000 }
  /// True if a committed transaction survives a crash of the server.
  package var isDurable: Bool { synchronousCommit != "off" }
}

extension JobQueue {
  package func server() async throws -> ServerFacts {
    let rows = try await database.query(
      """
      select current_setting('server_version') as version, current_user as login,
        current_setting('server_version_num')::bigint as number,
        current_setting('synchronous_commit') as durability,
        extract(epoch from clock_timestamp())::float8 as clock,
        (select string_agg(rolname, ', ') from pg_roles
         where rolname ~ '^jobctl_' and pg_has_role(oid, 'member')) as roles
      """)
    guard let facts = try rows.read(as: ServerFacts.self).first else {
      throw UnexpectedAnswer(function: "the server")
    }
    return facts
  }
}
