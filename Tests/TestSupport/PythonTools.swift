import Foundation
import Subprocess
import SystemPackage

/// Programs of others that our files are compared with; `make test` installs them.
package enum PythonTools {
  private static let python = repository.appending(path: ".build/test-tools/bin/python").path

  package static var areInstalled: Bool { FileManager.default.isExecutableFile(atPath: python) }

  /// What a script prints; throws with its complaint where it fails.
  package static func run(_ script: String, _ arguments: [String]) async throws -> String {
    let result = try await Subprocess.run(
      .path(FilePath(python)), arguments: Arguments(["-c", script] + arguments),
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
    guard result.terminationStatus.isSuccess else { throw Complaint(text: result.standardError) }
    return result.standardOutput
  }

  package struct Complaint: Error, CustomStringConvertible {
    let text: String
    package var description: String { text }
  }
}
