import Foundation
import Subprocess
import SystemPackage
import TestSupport

/// The built program, as its users have it.
enum Program {
  static let path = builtProgram

  struct Result {
    var status: Int32
    var output: String
    var error: String
  }

  /// The PostgreSQL that the tests run on.
  static let server = ProcessInfo.processInfo.environment.filter { $0.key == "JOBCTL_POSTGRES" }

  /// No other setting of the caller's environment reaches the program.
  static func environment(
    _ database: String?, home: String, data: String? = nil
  ) -> Environment {
    var values = ["PATH": "/usr/bin:/bin", "HOME": home, "JOBCTL_HOME": home]
    if let database { values["JOBCTL_DATABASE_URL"] = database }
    if let data { values["JOBCTL_DATA"] = data }
    values.merge(server) { $1 }
    return .custom(
      Dictionary(
        uniqueKeysWithValues: values.map { (Environment.Key(rawValue: $0.key) ?? "X", $0.value) }))
  }

  static func run(
    _ arguments: [String], database: String? = nil, home: String = "/nonexistent",
    data: String? = nil, input: String = "", through launcher: [String] = []
  ) async throws -> Result {
    let command = launcher + [path] + arguments
    let result = try await Subprocess.run(
      .path(FilePath(command[0])), arguments: Arguments(Array(command.dropFirst())),
      environment: environment(database, home: home, data: data), input: .string(input),
      output: .string(limit: 1 << 22), error: .string(limit: 1 << 20))
    let status: Int32 =
      switch result.terminationStatus {
      case .exited(let code): Int32(code)
      case .signaled(let signal): -Int32(signal)
      }
    return Result(status: status, output: result.standardOutput, error: result.standardError)
  }

  /// A worker as a process of its own, for signals. A launcher becomes the worker with exec.
  static func worker(
    database: String, home: String, store: String, through launcher: [String] = []
  ) throws -> Process {
    let command =
      launcher + [
        path, "worker", "--until-empty", "--slots", "1", "--threads", "1", "--checkpoints", store,
        "--checkpoint-every", "0.3", "--log-level", "warning",
      ]
    let process = Process()
    process.executableURL = URL(filePath: command[0])
    process.arguments = Array(command.dropFirst())
    process.environment = [
      "PATH": "/usr/bin:/bin", "HOME": home, "JOBCTL_HOME": home, "JOBCTL_DATABASE_URL": database,
    ]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
  }
}
