import ArgumentParser
import Foundation
import JobQueue
import Logging
import Postgres

// The embedded database, and the schema of any.

struct LocalCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "local", abstract: "Starts, stops, describes and upgrades the embedded database.",
    subcommands: [LocalStart.self, LocalStop.self, LocalStatus.self, LocalUpgrade.self])
}

struct LocalStart: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "start", abstract: "Starts the embedded database where it does not run.")

  func run() async throws {
    var options = DatabaseOptions()
    options.database = "embedded"
    print(try await options.target().masked)
  }
}

struct LocalStop: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop", abstract: "Stops the embedded database; nothing is lost.")

  func run() async throws {
    let cluster = try DatabaseOptions.cluster()
    print(try await cluster.stop() ? "Stopped." : "It was not running.")
  }
}

struct LocalStatus: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Says where the embedded database is and whether it runs.")

  func run() async throws {
    let cluster = try DatabaseOptions.cluster()
    let state =
      cluster.isCreated ? (cluster.isRunning ? "running" : "stopped") : "not made yet"
    print("\(state)\nfolder \(cluster.folder)\npsql \"\(try cluster.target().string)\"")
  }
}

struct LocalUpgrade: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upgrade",
    abstract: "Brings the embedded database to the newest installed version of PostgreSQL.",
    discussion: """
      Needs the programs of both versions. Copies the database with pg_upgrade, which takes as much \
      room again, and checks the copy as jobctl fsck does; then the old files are removed.
      """)

  func run() async throws {
    let cluster = try DatabaseOptions.cluster()
    let upgrade = try await cluster.possibleUpgrade()
    guard upgrade.isNeeded else {
      print("The database is of PostgreSQL \(upgrade.from), the newest version that is installed.")
      return
    }
    var options = DatabaseOptions()
    options.database = "embedded"
    let workers = try await Migrator(try await options.open()).runningWorkers()
    guard workers.isEmpty else {
      throw ValidationError(
        "workers run: \(workers.joined(separator: ", ")); stop them first (a worker that was killed "
          + "counts for a minute)")
    }
    _ = try await cluster.stop()
    try await cluster.upgrade(upgrade)
    print("PostgreSQL \(upgrade.from) became \(upgrade.to). Checking it ...")
    try await check(cluster)
  }

  /// The old files stay unless the new cluster is as good as the queue can tell.
  private func check(_ cluster: LocalCluster) async throws {
    do {
      var options = DatabaseOptions()
      options.database = "embedded"
      // pg_upgrade does not take over what the planner knows of the tables.
      let database = try await options.open()
      _ = try await database.query("analyze")
      let store = try StoreOptions.parse([]).path
      if FileManager.default.fileExists(atPath: store + "/store.json") {
        try await CheckCommand.parse(["--database", "embedded"]).run()
      } else {
        try await checkRows(JobQueue(database))
        print("The rows are well. There is no checkpoint store in \(store) to compare them with.")
      }
    } catch {
      complain("the files of before the upgrade are kept in \(cluster.oldData)")
      throw error
    }
    try cluster.removeOldData()
    print("Done.")
  }
}

/// What fsck says of rows, where there are no files.
private func checkRows(_ queue: JobQueue) async throws {
  let found = try await queue.contradictions()
  for row in found { complain("stage \(row.stage.map(String.init) ?? ""): \(row.what)") }
  if !found.isEmpty { throw ExitCode(ExitStatus.failure) }
}

struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Brings a database's schema to this program's version.")

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    let target = try await database.target(.migrated)
    let migrator = Migrator(Database(target, logger: .init(label: "jobctl")))
    try await migrator.migrate()
    let status = try await migrator.status()
    guard status == .current else { throw SchemaMismatch(status: status) }
    print("The schema of \(target.masked) is current.")
  }
}
