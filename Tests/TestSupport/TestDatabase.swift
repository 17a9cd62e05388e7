import Datasets
import Experiments
import Foundation
import JobQueue
import Logging
import Postgres
import Synchronization
import Values

/// A throw-away PostgreSQL cluster of the test process, on a Unix socket, with a database for each
/// test that asks. It is removed when the process ends.
package enum TestCluster {
  private static let home = NSTemporaryDirectory() + "jobctl-tests-\(getpid())"
  private static let started = Mutex<Task<LocalCluster, any Error>?>(nil)
  private static let databases = Atomic<Int>(0)

  package static func start() async throws -> LocalCluster {
    let task = started.withLock { started in
      if let started { return started }
      let task = Task {
        atexit { TestCluster.remove() }
        let cluster = try LocalCluster(home: home)
        try await cluster.ensureRunning()
        // On a slow machine nearly all tests are under way at once, each with connections of its own.
        // The cluster is thrown away: no test loses the machine's power, and the disk is others' too.
        let connection = try await Connection.open(try cluster.target())
        for setting in ["max_connections = 800", "fsync = off", "full_page_writes = off"] {
          try await connection.query("alter system set \(setting)")
        }
        _ = try await cluster.stop()
        try await cluster.ensureRunning()
        return cluster
      }
      started = task
      return task
    }
    return try await task.value
  }

  /// The address of a new, empty database.
  package static func database() async throws -> ConnectionTarget {
    let cluster = try await start()
    let name = "test_\(databases.add(1, ordering: .relaxed).newValue)"
    let connection = try await Connection.open(try cluster.target())
    try await connection.query("create database \(name)")
    // What a test has just made ready is claimed next, and every claim rescues.
    try await connection.query("alter database \(name) set jobctl.claims_in_order = on")
    // Beside other load a connection may take longer than the ten seconds that users wait.
    return try ConnectionTarget(
      try cluster.target().string.replacing("dbname=jobctl", with: "dbname=\(name)")
        + " connect_timeout=60")
  }

  /// A queue in a new database, with the schema in place.
  package static func queue() async throws -> JobQueue {
    let database = Database(try await database(), logger: quietLogger)
    try await Migrator(database).migrate()
    return JobQueue(database)
  }

  private static func remove() {
    let cluster = try? LocalCluster(home: home)
    if let folder = cluster?.folder,
      let pid = try? String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8)
        .split(separator: "\n").first.flatMap({ Int32($0) })
    {
      // An immediate shutdown: there is nothing worth a checkpoint in it.
      kill(pid, SIGQUIT)
      for _ in 0..<100 where kill(pid, 0) == 0 { usleep(20_000) }
    }
    try? FileManager.default.removeItem(atPath: home)
  }
}

package let quietLogger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }

/// A folder that lives as long as the value.
package final class TemporaryFolder: Sendable {
  package let path: String

  package init() throws {
    path = NSTemporaryDirectory() + "jobctl-test-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A small experiment over synthetic pictures.
package func smallGrid(_ name: String, changing changes: [(String, JSON)] = []) -> JSON {
  var document: JSON = [
    "name": .string(name),
    "dataset": [
      "name": "synthetic", "train": 480, "test": 96, "height": 8, "width": 8, "channels": 1,
      "classes": 4,
    ],
    "network": "cnn", "epochs": 3,
    "optimizer": ["name": "momentum", "learning_rate": .number("0.05")],
    "batch": ["size": 32, "ghost": 32, "maximum": 320],
    "schedule": ["name": "decay", "drops": ["epochs": [1, 2], "factor": 5]],
    "grid": ["schedule.name": ["decay", "hybrid", "increase"]],
  ]
  for (path, value) in changes {
    document = document.setting(path.split(separator: ".").map(String.init)[...], to: value)
  }
  return document
}

package func plan(_ document: JSON) throws -> Plan {
  try Plan(Grid(document: document)) { dataset throws(InvalidDocument) in
    guard let facts = dataset.publishedFacts else {
      throw InvalidDocument([Problem("dataset", "unknown")])
    }
    return facts
  }
}

extension JobQueue {
  @discardableResult
  package func submit(_ plan: Plan, priority: Int? = nil) async throws -> Submitted {
    try await submit(Submission(plan, priority: priority) { _ in 1 << 29 })
  }

  /// One value of one row.
  package func value(_ sql: String, _ parameters: [Parameter] = []) async throws -> String? {
    try await database.query(sql, parameters).single
  }
}
