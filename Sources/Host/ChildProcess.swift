import Foundation
import Subprocess
import SystemPackage

/// A program that is run to its end, without a shell.
package enum ChildProcess {
  package struct Ended: Sendable {
    /// nil where a signal ended it.
    package let code: Int32?
    package var isSuccess: Bool { code == 0 }
    /// Standard output and standard error together, without blanks at both ends.
    package let output: String
  }

  /// Its input is empty. `environment` and `folder` are this process's own where they are nil. A program
  /// that prints more bytes than `mostOutput` fails.
  package static func run(
    _ program: String, _ arguments: [String], environment: [String: String]? = nil,
    in folder: String? = nil, mostOutput: Int = 1 << 16
  ) async throws -> Ended {
    let variables = environment.map { environment in
      environment.reduce(into: [Environment.Key: String]()) {
        $0[Environment.Key(stringLiteral: $1.key)] = $1.value
      }
    }
    let result = try await Subprocess.run(
      .path(FilePath(program)), arguments: Arguments(arguments),
      environment: variables.map { .custom($0) } ?? .inherit,
      workingDirectory: folder.map { FilePath($0) }, output: .string(limit: mostOutput),
      error: .combinedWithOutput)
    var code: Int32?
    if case .exited(let status) = result.terminationStatus { code = Int32(status) }
    return Ended(
      code: code,
      output: result.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines))
  }
}
