import Foundation
import JobQueue
import Postgres
import Subprocess
import SystemPackage
import TestSupport
import Testing

@Suite struct MigratorTests {
  @Test func aMigratedDatabaseIsCurrentAndMigratingAgainChangesNothing() async throws {
    let database = Database(try await TestCluster.database(), logger: quietLogger)
    let migrator = Migrator(database)
    #expect(try await migrator.status() == .behind(have: 0, need: 19))
    async let one: Void = Migrator(Database(database.target, logger: quietLogger)).migrate()
    async let two: Void = Migrator(Database(database.target, logger: quietLogger)).migrate()
    _ = try await (one, two)
    #expect(try await migrator.status() == .current)
    // What an earlier version asked with other columns, and a view of a user's on what stays.
    _ = try await database.query("drop function report.parked()")
    _ = try await database.query("create function report.parked() returns int return 1")
    _ = try await database.query("create function report.gone() returns int return 1")
    _ = try await database.query(
      "create view public.mine as select setting from report.setting_curve")
    _ = try await database.query("update jobs.schema_state set digest = 'old'")
    #expect(try await migrator.status() == .differs)
    try await migrator.migrate()
    #expect(try await migrator.status() == .current)
    #expect(try await database.query("select crashes from report.parked()").count == 0)
    #expect(
      try await database.query("select from pg_proc where proname = 'gone'").count == 0)
    #expect(try await database.query("select from public.mine").count == 0)
    _ = try await database.query("update jobs.schema_state set version = 99")
    #expect(try await migrator.status() == .ahead(have: 99, need: 19))
  }

  /// The tables as PostgreSQL sees them. Where a change is meant, run the tests with
  /// JOBCTL_UPDATE_SNAPSHOTS=1 and commit the file.
  @Test func theSchemaIsTheSnapshot() async throws {
    let database = Database(try await TestCluster.database(), logger: quietLogger)
    try await Migrator(database).migrate()
    let version = try await JobQueue(database).server().version
    guard version.hasPrefix("15.") else {
      print("skipped: the snapshot is what pg_dump of PostgreSQL 15 writes, and this is \(version)")
      return
    }
    let result = try await Subprocess.run(
      .name("pg_dump"),
      arguments: [
        "--schema-only", "--no-owner", "--schema=jobs", "--dbname", database.target.string,
      ],
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 16))
    #expect(result.terminationStatus.isSuccess, "\(result.standardError)")
    let dump =
      result.standardOutput.split(separator: "\n")
      .filter { !$0.hasPrefix("--") && !$0.hasPrefix("SET ") && !$0.hasPrefix("SELECT pg_catalog") }
      .filter { !$0.hasPrefix("\\restrict") && !$0.hasPrefix("\\unrestrict") }
      .joined(separator: "\n") + "\n"
    let file = repository.appending(path: "Tests/Fixtures/schema.sql")
    if ProcessInfo.processInfo.environment["JOBCTL_UPDATE_SNAPSHOTS"] != nil {
      try dump.write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == dump)
  }
}
