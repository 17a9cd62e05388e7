import Foundation
import Host
import Postgres
import Values

/// The embedded database: a private PostgreSQL cluster beneath a home folder, on a Unix socket only.
/// Started on demand, it outlives the command that started it; `stop` ends it.
package struct LocalCluster: Sendable {
  package let home: String
  /// Whether the server's account can enter the home; if not, the cluster is elsewhere.
  private let isHomeReachable: Bool
  /// PostgreSQL refuses to run as root: then the account that it runs as.
  let account: Account?

  struct Account: Sendable {
    let name: String
    let user: uid_t
    let group: gid_t
  }

  /// Unix socket paths end at 107 bytes; the name in the folder takes 16.
  private static let longestSocketFolder = 90
  private static let databaseName = "jobctl"

  package init(home: String) throws(Failure) {
    // A symbolic link is as good as what it leads to: one home, one socket.
    let home = LocalCluster.resolved(home)
    self.home = home
    if geteuid() == 0 {
      guard let entry = getpwnam("postgres") else { throw .noAccount }
      account = Account(
        name: "postgres", user: entry.pointee.pw_uid, group: entry.pointee.pw_gid)
      // A cluster stays where it was made, whatever becomes of the home's mode.
      let isInHome = access(home + "/postgres/data/PG_VERSION", F_OK) == 0
      let isInShelter = access(home + "/cluster", F_OK) == 0
      isHomeReachable = isInHome || (!isInShelter && LocalCluster.othersCanEnter(home))
    } else {
      account = nil
      isHomeReachable = true
    }
  }

  /// The path without symbolic links, of which the last parts may not be there yet.
  private static func resolved(_ path: String) -> String {
    if let found = realpath(path, nil) {
      defer { free(found) }
      return String(cString: found)
    }
    let place = URL(filePath: path).standardizedFileURL
    guard place.path != "/" else { return path }
    return URL(filePath: resolved(place.deletingLastPathComponent().path))
      .appending(path: place.lastPathComponent).path
  }

  /// Folder with the data, the log and, where the path is short enough, the socket.
  package var folder: String {
    if isHomeReachable { return home + "/postgres" }
    let name = (try? String(contentsOfFile: nameFile, encoding: .utf8)) ?? tag
    return LocalCluster.shelter + "/" + name
  }

  package var socketFolder: String {
    let beside = folder + "/socket"
    // libpq takes what follows a comma for another host.
    if beside.utf8.count <= LocalCluster.longestSocketFolder, !beside.contains(",") {
      return beside
    }
    return account == nil ? "/tmp/jobctl-\(geteuid())-\(tag)" : "/run/jobctl-\(tag)"
  }

  /// Clusters of homes that the server's account cannot enter.
  private static let shelter = "/var/lib/jobctl/clusters"

  /// A file in the home that names the home's cluster in the shelter. If a user deletes the home and
  /// makes a new one in its place, the new home does not get the old database.
  private var nameFile: String { home + "/cluster" }

  private var tag: String { String(Digest.sha256(of: home).prefix(12)) }

  /// Where the home is, unless it is said: for root not in root's own folder, which the server's
  /// account cannot enter.
  package static func defaultHome(environment: [String: String]) -> String {
    if let home = environment["JOBCTL_HOME"], !home.isEmpty {
      return URL(filePath: home).standardizedFileURL.path
    }
    if geteuid() == 0 { return "/var/lib/jobctl" }
    return (environment["HOME"] ?? NSHomeDirectory()) + "/.jobctl"
  }

  /// True when every folder of the path that exists lets other users through.
  private static func othersCanEnter(_ path: String) -> Bool {
    var parent = URL(filePath: path).standardizedFileURL
    while parent.path != "/" {
      var status = stat()
      if stat(parent.path, &status) == 0, status.st_mode & 0o001 == 0 { return false }
      parent = parent.deletingLastPathComponent()
    }
    return true
  }

  package func target() throws(PostgresError) -> ConnectionTarget {
    func quoted(_ value: String) -> String {
      "'" + value.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
    }
    return try ConnectionTarget(
      "host=\(quoted(socketFolder)) port=5432 user=jobctl dbname=\(LocalCluster.databaseName)")
  }

  var data: String { folder + "/data" }

  package var isCreated: Bool { FileManager.default.fileExists(atPath: data + "/PG_VERSION") }

  /// Why the home is a bad place for a database, if it is one.
  package var networkWarning: String? {
    guard let type = FileSystem.network(of: folder) else { return nil }
    return
      "the embedded database in \(folder) is on a network file system (\(type)): its locks may not "
      + "hold between machines, and two servers on one folder destroy it. Use a home on a local disk, or "
      + "a server (--database)"
  }

  // MARK: - Starting and stopping

  /// Makes the cluster where there is none and starts it where it does not run. Any number of
  /// commands may do this at once.
  package func ensureRunning() async throws {
    try makeFolder(home, mode: account == nil ? 0o700 : 0o711, owner: nil)
    let lock = try await takeLock()
    defer { close(lock) }
    if process == nil, let owner = HomeOwner(file: ownerFile), owner.isElsewhere {
      throw Failure.elsewhere(home: home, host: owner.host, note: ownerFile)
    }
    try settleUpgrade()
    if !isCreated { try await create() }
    if !isRunning { try await start() }
    if HomeOwner(file: ownerFile) != .here { try HomeOwner.here.write(to: ownerFile) }
    try await createDatabase()
  }

  /// Kept in the home, so that it is there before the cluster.
  private var ownerFile: String { home + "/server.json" }

  private var log: String { folder + "/postgres.log" }

  /// The exit status of flock when another process holds the lock.
  static let isLocked: Int32 = 75

  private func start() async throws {
    try makeFolder(socketFolder, mode: 0o700, owner: account)
    let deadline = ContinuousClock.now + LocalCluster.lockPatience
    while process != nil, !isRunning, ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(100))
    }
    if isRunning { return }
    guard process == nil else {
      throw Failure.command(
        "pg_ctl start", output: "the server neither starts nor ends; see \(log)")
    }
    // The server inherits the lock and holds it for its life, in whichever container it runs. Under the lock
    // a postmaster.pid is a dead server's: its number may be any program's by now.
    let cleaned = ["/bin/sh", "-c", #"rm -f data/postmaster.pid && exec "$@""#, "sh"]
    // The socket's folder is said here: a home that has moved has another one. pg_ctl hands its words to
    // a shell: they are relative to the folder, and hold nothing of the home's path.
    let socket = socketFolder.hasPrefix(folder) ? "../socket" : socketFolder
    let result = try await server(
      "pg_ctl",
      ["-D", "data", "-l", "postgres.log", "-o", "-k \(socket)", "-w", "-t", "60", "-s", "start"],
      under: LocalCluster.locked + cleaned)
    try refuseLocked(result)
    guard result.isSuccess else {
      let tail = (try? String(contentsOfFile: log, encoding: .utf8))?
        .split(separator: "\n").suffix(5).joined(separator: "\n")
      throw Failure.command("pg_ctl start", output: tail ?? result.output)
    }
  }

  /// Runs a program with the lock that a server holds for its life.
  static let locked = ["/usr/bin/flock", "-w", "10", "-E", "\(isLocked)", "server.lock"]

  func refuseLocked(_ result: ChildProcess.Ended) throws(Failure) {
    guard result.code == LocalCluster.isLocked else { return }
    throw .outOfSight(home: home, host: HomeOwner(file: ownerFile)?.host ?? "another host")
  }

  /// Starting a server takes seconds; whoever holds the lock for longer is stuck.
  private static let lockPatience = Duration.seconds(90)

  /// One command at a time makes, starts or stops the cluster. Returns the lock's descriptor.
  func takeLock() async throws -> Int32 {
    let path = home + "/local.lock"
    let lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
    guard lock >= 0 else {
      throw Failure.unsafeFolder(home, reason: String(cString: strerror(errno)))
    }
    let deadline = ContinuousClock.now + LocalCluster.lockPatience
    while flock(lock, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else {
        close(lock)
        throw Failure.unsafeFolder(home, reason: String(cString: strerror(errno)))
      }
      guard ContinuousClock.now < deadline else {
        close(lock)
        throw Failure.busy(path)
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    return lock
  }

  /// Whether the server has said that it is ready and its process is there.
  package var isRunning: Bool {
    // The eighth line is the server's state.
    guard process != nil, let lines = pidFile, lines.count >= 8 else { return false }
    return lines[7].hasPrefix("ready")
  }

  private var pidFile: [Substring]? {
    (try? String(contentsOfFile: data + "/postmaster.pid", encoding: .utf8))?
      .split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// This cluster's server, ready or not. A server works in its data folder: the number in postmaster.pid
  /// alone may be any program's by now.
  var process: Int32? {
    guard let process = pidFile?.first.flatMap({ Int32($0) }), process > 0,
      kill(process, 0) == 0 || errno == EPERM
    else { return nil }
    // The folder itself is compared: one folder may have several paths.
    var works = stat()
    var here = stat()
    guard stat("/proc/\(process)/cwd", &works) == 0, stat(data, &here) == 0 else {
      // Not for this user to see.
      let name = try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)
      return name?.hasPrefix("postgres") == true ? process : nil
    }
    return works.st_dev == here.st_dev && works.st_ino == here.st_ino ? process : nil
  }

  /// True when it ran.
  package func stop() async throws -> Bool {
    guard isCreated else { return false }
    let lock = try await takeLock()
    defer { close(lock) }
    try settleUpgrade()
    let owner = HomeOwner(file: ownerFile)
    guard isRunning else {
      if process == nil, let owner, owner.isElsewhere {
        throw Failure.elsewhere(home: home, host: owner.host, note: ownerFile)
      }
      // The machine was started anew: the server of the note is gone.
      if let owner, owner.boot != HomeOwner.here.boot { unlink(ownerFile) }
      return false
    }
    let result = try await server(
      "pg_ctl", ["-D", "data", "-w", "-t", "60", "-m", "fast", "-s", "stop"])
    guard result.isSuccess else { throw Failure.command("pg_ctl stop", output: result.output) }
    // Another machine may start it now.
    unlink(ownerFile)
    return true
  }

  private func create() async throws {
    if !isHomeReachable {
      let name = tag + String(UInt32.random(in: 0...(.max)), radix: 36)
      do { try name.write(toFile: nameFile, atomically: true, encoding: .utf8) } catch {
        throw Failure.unsafeFolder(home, reason: error.localizedDescription)
      }
    }
    try makeFolder(
      URL(filePath: folder).deletingLastPathComponent().path, mode: account == nil ? 0o700 : 0o711,
      owner: nil)
    try makeFolder(folder, mode: 0o700, owner: account)
    // Made beside and renamed: a cluster is there as a whole or not at all.
    try await makeData("data.partial", by: try await programs())
    guard rename(folder + "/data.partial", data) == 0 else {
      throw Failure.unsafeFolder(folder, reason: String(cString: strerror(errno)))
    }
  }

  /// The server's page cache, in MiB: a share of the machine's memory that training does not miss. A million
  /// stages have indices of 250 MB.
  private static var sharedMebibytes: Int {
    min(1024, max(128, (memoryOfMachine() >> 20) / 32))
  }

  /// Makes the files of an empty cluster in a folder of this name.
  func makeData(_ name: String, by programs: ServerPrograms, _ options: [String] = []) async throws
  {
    let path = folder + "/" + name
    try? FileManager.default.removeItem(atPath: path)
    let result = try await server(
      "initdb",
      [
        "-D", name, "-U", "jobctl", "--auth-local=peer", "--auth-host=reject", "-E", "UTF8",
        "--locale=C", "--no-instructions",
      ] + options, of: programs)
    guard result.isSuccess else { throw Failure.command("initdb", output: result.output) }
    let files = [
      ("pg_hba.conf", "local all all peer map=jobctl\n"),
      ("pg_ident.conf", identities),
      (
        "postgresql.auto.conf",
        """
        listen_addresses = ''
        port = 5432
        unix_socket_permissions = 0700
        max_connections = 200
        shared_buffers = '\(LocalCluster.sharedMebibytes)MB'
        max_wal_size = '4GB'
        log_line_prefix = '%m [%p] '

        """
      ),
    ]
    for (name, text) in files { try write(text, to: path + "/" + name) }
  }

  /// The users of this machine that may log in as jobctl: the caller, and the server's account, which
  /// runs pg_upgrade.
  var identities: String {
    let user = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "nobody"
    let names = [user] + (account.map { [$0.name] } ?? [])
    return names.map { "jobctl \"\($0)\" jobctl\n" }.joined()
  }

  private func createDatabase() async throws {
    let name = LocalCluster.databaseName
    let maintenance = try ConnectionTarget(
      target().string.replacing("dbname=\(name)", with: "dbname=postgres"))
    let connection = try await Connection.open(maintenance)
    let exists = try await connection.query(
      "select 1 from pg_database where datname = $1", [.text(name)])
    if exists.count == 0 { try await connection.query("create database \(name)") }
  }

  // MARK: - Files and processes

  /// The mode is for what is made here: a folder that was there keeps its own.
  private func makeFolder(_ path: String, mode: mode_t, owner: Account?) throws(Failure) {
    var status = stat()
    if lstat(path, &status) != 0 {
      do {
        try FileManager.default.createDirectory(
          atPath: path, withIntermediateDirectories: true,
          attributes: [.posixPermissions: Int(mode)])
      } catch { throw .unsafeFolder(path, reason: error.localizedDescription) }
      if let owner { chown(path, owner.user, owner.group) }
      guard lstat(path, &status) == 0 else { throw .unsafeFolder(path, reason: "it vanished") }
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw .unsafeFolder(path, reason: "it is no folder")
    }
    let expected = owner?.user ?? geteuid()
    guard status.st_uid == expected else {
      throw .unsafeFolder(path, reason: "it belongs to user \(status.st_uid), not \(expected)")
    }
  }

  func write(_ text: String, to path: String) throws(Failure) {
    do { try text.write(toFile: path, atomically: false, encoding: .utf8) } catch {
      throw .unsafeFolder(path, reason: error.localizedDescription)
    }
    if let account { chown(path, account.user, account.group) }
    chmod(path, 0o600)
  }

  /// Runs one of the server's programs, as the server's account.
  func server(
    _ name: String, _ arguments: [String], under launcher: [String] = [],
    of said: ServerPrograms? = nil
  ) async throws -> ChildProcess.Ended {
    var programs = said
    if programs == nil { programs = try await self.programs() }
    guard let programs else { throw Failure.noServer }
    var command = launcher + [programs.path(name)] + arguments
    if let account {
      // The ids are changed by a program that was started for it: between fork and exec of a process
      // with threads they cannot be, safely.
      command =
        ["/usr/bin/setpriv", "--reuid", "\(account.user)", "--regid", "\(account.group)"]
        + ["--init-groups", "--"] + command
    }
    return try await ChildProcess.run(
      command[0], Array(command.dropFirst()), environment: ["PATH": "/usr/bin:/bin", "LANG": "C"],
      in: folder)
  }

  /// The major version of an existing cluster.
  var majorVersion: Int? {
    (try? String(contentsOfFile: data + "/PG_VERSION", encoding: .utf8))
      .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  /// The programs of the cluster's version; the newest ones where there is no cluster yet.
  private func programs() async throws(Failure) -> ServerPrograms {
    let installed = await ServerPrograms.installed()
    guard let made = majorVersion else {
      guard let newest = installed.first else { throw .noServer }
      return newest
    }
    guard let same = installed.first(where: { $0.major == made }) else {
      throw .otherVersion(home: home, made: made, installed: installed.map(\.major))
    }
    return same
  }
}
