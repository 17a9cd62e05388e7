import Foundation
import Host

/// Installed programs of PostgreSQL's server, of one major version.
struct ServerPrograms: Sendable {
  /// The folder of initdb, pg_ctl, pg_upgrade and postgres.
  let folder: String
  let major: Int

  static let oldest = 15

  /// Where the folders are said, separated by colons; no others are looked at then.
  static let variable = "JOBCTL_POSTGRES"

  func path(_ program: String) -> String { folder + "/" + program }

  /// All that are new enough, the newest first.
  static func installed(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) async -> [ServerPrograms] {
    var found: [ServerPrograms] = []
    for folder in folders(environment) {
      guard FileManager.default.isExecutableFile(atPath: folder + "/postgres"),
        let major = await version(of: folder + "/postgres"), major >= oldest,
        !found.contains(where: { $0.major == major })
      else { continue }
      found.append(ServerPrograms(folder: folder, major: major))
    }
    return found.sorted { $0.major > $1.major }
  }

  private static func folders(_ environment: [String: String]) -> [String] {
    if let said = environment[variable], !said.isEmpty {
      return said.split(separator: ":").map(String.init)
    }
    let root = "/usr/lib/postgresql"
    let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])
      .compactMap { Int($0) }.sorted(by: >)
    return versions.map { "\(root)/\($0)/bin" } + ["/usr/bin", "/usr/local/bin"]
  }

  /// "postgres (PostgreSQL) 17.10 (Debian 17.10-1)" is 17.
  private static func version(of program: String) async -> Int? {
    let ended = try? await ChildProcess.run(program, ["--version"], environment: ["LANG": "C"])
    let number = ended?.output.split(separator: " ").first { $0.first?.isNumber ?? false }
    return number.flatMap { Int($0.prefix { $0.isNumber }) }
  }
}
