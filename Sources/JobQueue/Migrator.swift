import Postgres
import Values

/// Brings a database's schema to what this program was built for: migrations are appended, types and
/// functions are replaced whole, views in place, and who may do what is said anew.
package struct Migrator {
  /// What a database has, compared with what this program needs.
  package enum Status: Sendable, Equatable {
    case current
    /// The schema is absent or older: migrate.
    case behind(have: Int, need: Int)
    /// Same migrations, but other functions or views.
    case differs
    /// A newer program was here: update this one.
    case ahead(have: Int, need: Int)
  }

  private let database: Database

  package init(_ database: Database) { self.database = database }

  /// Any two programs with the same SQL have the same digest.
  static let digest = Digest.sha256(
    of: (EmbeddedSQL.migrations + EmbeddedSQL.types + EmbeddedSQL.functions + EmbeddedSQL.settings
      + EmbeddedSQL.queries + EmbeddedSQL.views + EmbeddedSQL.grants)
      .map { "\($0.name)\n\($0.text)" }.joined(separator: "\n"))

  /// Guards against two migrations at once; any constant of our own will do.
  private static let lock = 7_205_812_436_110_001

  package func status() async throws -> Status {
    try await database.withConnection { connection throws(PostgresError) in
      try await Migrator.status(connection)
    }
  }

  /// Workers that run: they were started with the schema that a migration would change.
  package struct WorkersRun: Error, CustomStringConvertible {
    package let workers: [String]

    package var description: String {
      "the database's schema is of another version than this jobctl, and workers of that version run: "
        + workers.joined(separator: ", ")
        + "; stop them first (SIGTERM: they write a checkpoint). A worker that was killed counts for a "
        + "minute"
    }
  }

  /// Applies what is missing, in one transaction; throws `WorkersRun` where workers would find another
  /// schema than theirs from one moment to the next.
  package func migrate() async throws {
    let workers = try await database.withConnection { connection throws(PostgresError) in
      try await connection.transaction { connection throws(PostgresError) -> [String] in
        try connection.query("select pg_advisory_xact_lock($1)", [.integer(Migrator.lock)])
        let have: Int
        switch try Migrator.status(connection) {
        case .current, .ahead: return []
        case .behind(let version, _): have = version
        case .differs: have = EmbeddedSQL.migrations.count
        }
        let workers = have > 0 ? try Migrator.workers(connection) : []
        if workers.isEmpty { try Migrator.apply(connection, after: have) }
        return workers
      }
    }
    guard workers.isEmpty else { throw WorkersRun(workers: workers) }
  }

  /// Names of workers that were seen in the last minute, whatever version the schema is of.
  package func runningWorkers() async throws -> [String] {
    try await database.withConnection { connection throws(PostgresError) in
      try await connection.transaction { connection throws(PostgresError) in
        try Migrator.workers(connection)
      }
    }
  }

  private static func workers(_ connection: isolated Connection) throws(PostgresError) -> [String] {
    try connection.query(
      """
      select name from jobs.worker
      where state <> 'gone' and seen_at > clock_timestamp() - interval '1 minute' order by id limit 20
      """
    ).compactMap { $0["name"] }
  }

  private static func status(_ connection: isolated Connection) throws(PostgresError) -> Status {
    let need = EmbeddedSQL.migrations.count
    // The view is what every role may read; the first version of the schema had only the table.
    let found = try connection.query(
      """
      select coalesce(to_regclass('report.schema_state'), to_regclass('jobs.schema_state'))
      """
    ).single
    guard let found else { return .behind(have: 0, need: need) }
    let rows = try connection.query("select version, digest from \(found)")
    guard let row = rows.first(where: { _ in true }), let have = row["version"].flatMap({ Int($0) })
    else { return .behind(have: 0, need: need) }
    if have < need { return .behind(have: have, need: need) }
    if have > need { return .ahead(have: have, need: need) }
    return row["digest"] == digest ? .current : .differs
  }

  /// Functions of schema report are made anew, but for those that a view needs: these are replaced in place,
  /// and a change of their columns takes a migration.
  private static let dropQueries = """
    do $$
    declare query regprocedure;
    begin
      for query in select p.oid from pg_proc p where p.pronamespace = 'report'::regnamespace
        and not exists (select from pg_depend d where d.refobjid = p.oid and d.deptype = 'n')
      loop execute format('drop function %s', query); end loop;
    end $$
    """

  private static func apply(_ connection: isolated Connection, after have: Int)
    throws(PostgresError)
  {
    // Functions call each other in any order.
    try connection.run(
      script: "set local client_min_messages = warning; set local check_function_bodies = off")
    for (index, migration) in EmbeddedSQL.migrations.enumerated() where index >= have {
      try connection.run(script: migration.text)
      try connection.query(
        "insert into jobs.migration(number, name, digest) values ($1, $2, $3)",
        [.integer(index + 1), .text(migration.name), .text(Digest.sha256(of: migration.text))])
    }
    try connection.run(script: "drop schema if exists api cascade; create schema api")
    try connection.run(script: dropQueries)
    for object in EmbeddedSQL.types + EmbeddedSQL.functions + EmbeddedSQL.settings
      + EmbeddedSQL.queries + EmbeddedSQL.views + EmbeddedSQL.grants
    { try connection.run(script: object.text) }
    try connection.query(
      """
      insert into jobs.schema_state(one, digest, version) values (true, $1, $2)
      on conflict (one) do update set digest = excluded.digest, version = excluded.version
      """, [.text(digest), .integer(EmbeddedSQL.migrations.count)])
  }
}
