import Foundation
import Host

/// Brings an embedded cluster to a newer major version of PostgreSQL, by pg_upgrade. The old files stay
/// as they are until the new cluster has been checked.
extension LocalCluster {
  /// The files of before, while the new ones are not yet known to be good.
  package var oldData: String { folder + "/data.before-upgrade" }

  /// From which version to which a cluster can be brought.
  package struct Upgrade: Sendable {
    let old: ServerPrograms
    let new: ServerPrograms

    package var from: Int { old.major }
    package var to: Int { new.major }
    package var isNeeded: Bool { from < to }
  }

  /// Throws where there is no cluster, or where its own version is not installed.
  package func possibleUpgrade() async throws -> Upgrade {
    guard let made = majorVersion else {
      throw Failure.unsafeFolder(home, reason: "there is no database in it to upgrade")
    }
    guard access(oldData, F_OK) != 0 else {
      throw Failure.unsafeFolder(
        home,
        reason: "the files of before an earlier upgrade are still in \(oldData); remove them once "
          + "jobctl fsck finds nothing")
    }
    let installed = await ServerPrograms.installed()
    guard let old = installed.first(where: { $0.major == made }), let new = installed.first else {
      throw Failure.otherVersion(home: home, made: made, installed: installed.map(\.major))
    }
    return Upgrade(old: old, new: new)
  }

  /// The server is stopped. It copies all files; `removeOldData` ends the upgrade.
  package func upgrade(_ upgrade: Upgrade) async throws {
    let lock = try await takeLock()
    defer { close(lock) }
    let (old, new) = (upgrade.old, upgrade.new)
    guard process == nil else { throw Failure.running(home: home) }
    let unfinished = "data.upgrade"
    try await makeData(unfinished, by: new, try await checksums(old, new))
    try write(identities, to: data + "/pg_ident.conf")
    try await convert(from: old, to: new, unfinished)
    // pg_upgrade leaves a script that would remove the folder `data`, which is the new one now.
    unlink(folder + "/delete_old_cluster.sh")
    // If this process dies between the renames, the next command puts the old files back (settleUpgrade).
    guard rename(data, oldData) == 0, rename(folder + "/" + unfinished, data) == 0 else {
      throw Failure.unsafeFolder(folder, reason: String(cString: strerror(errno)))
    }
  }

  private func convert(
    from old: ServerPrograms, to new: ServerPrograms, _ unfinished: String
  ) async throws {
    let sockets = "/tmp/jobctl-upgrade-\(UInt32.random(in: 0...(.max)))"
    guard mkdir(sockets, 0o700) == 0 else {
      throw Failure.unsafeFolder(sockets, reason: String(cString: strerror(errno)))
    }
    defer { try? FileManager.default.removeItem(atPath: sockets) }
    if let account { chown(sockets, account.user, account.group) }
    // Relative paths: pg_upgrade hands its words to a shell.
    let result = try await server(
      "pg_upgrade",
      [
        "-b", old.folder, "-B", new.folder, "-d", "data", "-D", unfinished, "-U", "jobctl", "-s",
        sockets,
      ], under: LocalCluster.locked, of: new)
    try refuseLocked(result)
    guard result.isSuccess else {
      throw Failure.command("pg_upgrade", output: result.output + "\nThe database is as it was.")
    }
  }

  /// The new cluster has checksums of its pages where the old one has: PostgreSQL 18 makes them unless it
  /// is told not to, and earlier versions only where they are told.
  private func checksums(_ old: ServerPrograms, _ new: ServerPrograms) async throws -> [String] {
    let facts = try await server("pg_controldata", ["data"], of: old)
    guard facts.isSuccess,
      let line = facts.output.split(separator: "\n").first(where: {
        $0.hasPrefix("Data page checksum version:")
      })
    else { throw Failure.command("pg_controldata", output: facts.output) }
    if !line.hasSuffix(" 0") { return ["--data-checksums"] }
    return new.major >= 18 ? ["--no-data-checksums"] : []
  }

  /// An upgrade that ended between its two renames is undone.
  func settleUpgrade() throws(Failure) {
    guard !isCreated, access(oldData + "/PG_VERSION", F_OK) == 0 else { return }
    guard rename(oldData, data) == 0 else {
      throw .unsafeFolder(folder, reason: String(cString: strerror(errno)))
    }
  }

  package func removeOldData() throws {
    try FileManager.default.removeItem(atPath: oldData)
  }
}
