import Foundation
import JobQueue
import Logging
import Postgres

/// Another queue on the same server, with the same grid and a store of its own: its files have the names
/// of the first queue's. Each queue must leave the other's store alone.
final class Neighbour {
  private let site: Site
  private let target: String
  private let store: String
  private let trainer: WorkerProcess
  /// What a refused command did all the same.
  private(set) var violations: [String] = []

  private static let name = "neighbour"

  /// Its worker begins to train the grid.
  init(beside site: Site, submitting file: String) async throws {
    self.site = site
    store = site.folder + "/" + Neighbour.name
    target = try site.cluster.target().string.replacing(
      "dbname=jobctl", with: "dbname=\(Neighbour.name)")
    _ = try await site.database.query("create database \(Neighbour.name)")
    try await Migrator(Neighbour.database(target)).migrate()
    let submit = try site.start(["submit", file], target: target)
    guard await submit.ended(by: .now + .seconds(60)) == 0 else { throw Unsubmitted() }
    trainer = try site.start(Neighbour.worker(at: store), target: target)
  }

  private static func database(_ target: String) throws -> Database {
    Database(
      try ConnectionTarget(target), logger: Logger(label: "chaos") { _ in SwiftLogNoOpLogHandler() }
    )
  }

  private static func worker(at store: String) -> [String] {
    ["worker", "--external", "--until-empty", "--checkpoints", store, "--log-level", "error"]
  }

  /// Its results, once it has trained its grid; its worker is started anew where a fault has ended it.
  func results(by deadline: ContinuousClock.Instant) async throws -> Results {
    _ = await trainer.ended(by: deadline)
    let another = try site.start(Neighbour.worker(at: store), target: target)
    _ = await another.ended(by: deadline)
    let verified = try site.start(
      ["fsck", "--deep", "--checkpoints", store], target: target)
    if await verified.ended(by: deadline) != 0 {
      violations.append("fsck of the neighbour has found something")
    }
    // A connection of before would have been reset.
    return try await Results(of: Neighbour.database(target))
  }

  // MARK: - Faults

  /// A worker and a collector of the neighbour at the first queue's store.
  func intrude() async throws {
    for command in [
      Neighbour.worker(at: site.store),
      ["gc", "--keep", "final", "--yes", "--checkpoints", site.store],
    ] {
      try await refuses(command, target: target, "\(command[0]) of another queue")
    }
  }

  /// The store is empty for a while. False where there is nothing in it to lose, or no way to hide it.
  func loseStore() async throws -> Bool {
    guard try await hasCheckpoints(),
      mount("tmpfs", site.store, "tmpfs", 0, "size=16m,mode=0700") == 0
    else { return false }
    defer { umount2(site.store, Int32(MNT_DETACH)) }
    try await refuses(site.workerArguments(slots: 1), target: nil, "a worker that finds no store")
    try await Task.sleep(for: .seconds(2))
    return true
  }

  /// A store of the neighbour's stands in place of the queue's for a while.
  func swapStore() async throws -> Bool {
    let (note, other) = (store + "/store.json", site.folder + "/swapped")
    guard try await hasCheckpoints(), FileManager.default.fileExists(atPath: note) else {
      return false
    }
    if !FileManager.default.fileExists(atPath: other) {
      try FileManager.default.createDirectory(
        atPath: other, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      try FileManager.default.copyItem(atPath: note, toPath: other + "/store.json")
    }
    guard mount(other, site.store, nil, UInt(MS_BIND), nil) == 0 else { return false }
    defer { umount2(site.store, Int32(MNT_DETACH)) }
    try await refuses(
      site.workerArguments(slots: 1), target: nil, "a worker at another queue's store")
    try await Task.sleep(for: .seconds(2))
    let files = try FileManager.default.contentsOfDirectory(atPath: other)
    if files != ["store.json"] {
      violations.append(
        "the store of another queue was written to: \(files.joined(separator: " "))")
    }
    return true
  }

  /// Another host opens the home whose server runs here.
  func comeFromElsewhere() async throws -> Bool {
    guard geteuid() == 0 else { return false }
    try await refuses(
      ["list", "--database", "embedded"], target: nil, "a second host",
      through: [
        "/usr/bin/unshare", "--uts", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c",
        #"hostname elsewhere && exec "$@""#, "sh",
      ])
    if !site.cluster.isRunning { violations.append("a second host ended the server") }
    return true
  }

  private func hasCheckpoints() async throws -> Bool {
    try await site.database.query(
      "select count(*) > 0 from report.checkpoint where removed_at is null and damaged_at is null"
    ).single == "t"
  }

  private func refuses(
    _ arguments: [String], target: String?, _ what: String, through launcher: [String] = []
  ) async throws {
    let process = try site.start(arguments, target: target, through: launcher)
    let code = await process.ended(by: .now + .seconds(60))
    process.signal(SIGKILL)
    if code == nil || code == 0 { violations.append("\(what) was not refused") }
  }

  private struct Unsubmitted: Error, CustomStringConvertible {
    let description = "the neighbour's grid could not be submitted"
  }
}
