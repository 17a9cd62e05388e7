import ArgumentParser
import Foundation
import JobQueue
import Logging
import Postgres

/// Which database a command works on.
struct DatabaseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      The database, as a libpq connection string or URI without a password; "embedded" for the \
      private one.
      """,
      discussion: """
        Otherwise JOBCTL_DATABASE_URL, then libpq's own PGHOST and PGSERVICE; without any of them \
        the private database under $JOBCTL_HOME.
        """, valueName: "address"))
  var database: String?

  /// The home of the embedded database and of the default checkpoint store.
  static var home: String {
    LocalCluster.defaultHome(environment: ProcessInfo.processInfo.environment)
  }

  /// An empty HOME would put the database into the root of the file system.
  static func requireHome() throws {
    let environment = ProcessInfo.processInfo.environment
    if environment["JOBCTL_HOME"] ?? "" == "", environment["HOME"] == "", geteuid() != 0 {
      throw ValidationError(
        "HOME is empty: set HOME, or JOBCTL_HOME to a folder for jobctl's files")
    }
  }

  /// The embedded database of the home.
  static func cluster() throws -> LocalCluster {
    try requireHome()
    return try LocalCluster(home: home)
  }

  enum Choice {
    case embedded(LocalCluster)
    case server(ConnectionTarget)
  }

  func choice() throws -> Choice {
    let environment = ProcessInfo.processInfo.environment
    func isSet(_ key: String) -> Bool { environment[key].map { !$0.isEmpty } ?? false }
    switch database {
    case "embedded": return try embedded()
    case let address?: return .server(try ConnectionTarget(address))
    case nil:
      if let url = environment["JOBCTL_DATABASE_URL"], !url.isEmpty {
        return .server(try ConnectionTarget(url, refusingPassword: false))
      }
      if isSet("PGHOST") || isSet("PGSERVICE") { return .server(try ConnectionTarget("")) }
      return try embedded()
    }
  }

  /// The private database is one of its own, whatever libpq's variables point to.
  private func embedded() throws -> Choice {
    for key in ProcessInfo.processInfo.environment.keys where key.hasPrefix("PG") { unsetenv(key) }
    return .embedded(try DatabaseOptions.cluster())
  }

  /// What a command does with the schema of an embedded database that was made by another version.
  enum Schema {
    /// Leaves it: a command that reads, or that changes little, is no reason to migrate.
    case asItIs
    case migrated
  }

  /// Where the database is; the embedded one is started, and gets its schema where it has none.
  func target(_ schema: Schema = .asItIs) async throws -> ConnectionTarget {
    switch try choice() {
    case .embedded(let cluster):
      if !cluster.isRunning, let warning = cluster.networkWarning {
        complain("warning: \(warning)")
      }
      try await cluster.ensureRunning()
      let target = try cluster.target()
      let migrator = Migrator(Database(target, logger: quiet))
      let isNew = if case .behind(0, _) = try await migrator.status() { true } else { false }
      if isNew || schema == .migrated { try await migrator.migrate() }
      return target
    case .server(let target): return target
    }
  }

  /// A database whose schema fits this program.
  func open(_ schema: Schema = .asItIs, logger: Logger? = nil) async throws -> Database {
    let database = Database(try await target(schema), logger: logger ?? quiet)
    let status = try await Migrator(database).status()
    guard status == .current else { throw SchemaMismatch(status: status) }
    return database
  }

  private var quiet: Logger { Logger(label: "jobctl") { _ in SwiftLogNoOpLogHandler() } }
}

struct SchemaMismatch: Error, CustomStringConvertible {
  let status: Migrator.Status

  var description: String {
    switch status {
    case .current: "the database's schema fits"
    case .behind(0, _): "the database has no schema of jobctl's yet; run: jobctl migrate"
    case .behind(let have, let need):
      "the database's schema is at version \(have), this program needs \(need); run: jobctl migrate"
    case .differs: "the database's functions are not this program's; run: jobctl migrate"
    case .ahead(let have, let need):
      "the database's schema is at version \(have), newer than this program's \(need); update jobctl"
    }
  }
}
