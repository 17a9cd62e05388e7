/// Why the embedded database cannot be had, and what to do.
extension LocalCluster {
  package enum Failure: Error, CustomStringConvertible {
    case noServer
    case noAccount
    /// The programs of the version that made the cluster are not installed; these others are.
    case otherVersion(home: String, made: Int, installed: [Int])
    /// The server may not run meanwhile.
    case running(home: String)
    case unsafeFolder(String, reason: String)
    case command(String, output: String)
    case busy(String)
    /// Another machine has started the server of this home.
    case elsewhere(home: String, host: String, note: String)
    /// Its server holds its lock, and its process cannot be seen from here.
    case outOfSight(home: String, host: String)

    package var description: String {
      switch self {
      case .noServer:
        "the embedded database needs PostgreSQL 15 or newer: apt-get install postgresql-15, name the "
          + "folder of its programs in \(ServerPrograms.variable), or name a database with --database"
      case .noAccount:
        "run as root, the embedded database runs as the user postgres, who does not exist: "
          + "apt-get install postgresql-15"
      case .otherVersion(let home, let made, let installed):
        LocalCluster.otherVersion(home, made, installed)
      case .running(let home):
        "the database in \(home) runs: jobctl local stop"
      case .unsafeFolder(let path, let reason):
        "\(path) cannot hold the embedded database: \(reason)"
      case .command(let name, let output): "\(name) failed: \(output)"
      case .elsewhere(let home, let host, let note):
        "the database in \(home) was started on \(host) and not stopped there: two servers on one folder "
          + "destroy it. Run jobctl local stop on \(host), or use one server from both machines "
          + "(--database); if \(host) is gone for good, remove \(note)"
      case .outOfSight(let home, let host):
        "the server of the database in \(home) runs on \(host), out of this program's sight (in another "
          + "container?); run jobctl local stop there, or use one server from both (--database)"
      case .busy(let lock):
        "another command has been starting or stopping the embedded database for too long; "
          + "fuser \(lock) tells which one"
      }
    }
  }

  private static func otherVersion(_ home: String, _ made: Int, _ installed: [Int]) -> String {
    var text =
      "the database in \(home) was made by PostgreSQL \(made), and "
      + (installed.isEmpty
        ? "no programs of PostgreSQL's server are installed"
        : "only the programs of PostgreSQL "
          + installed.map(String.init).joined(separator: " and ") + " are installed")
      + ": apt-get install postgresql-\(made)"
    if let newer = installed.first, newer > made {
      text +=
        ". To go on with \(newer), install both (postgresql-\(made) postgresql-\(newer)) and run: "
        + "jobctl local upgrade"
    }
    return text
  }
}
