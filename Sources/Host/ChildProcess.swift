import Foundation

/// A program that is run to its end, without a shell.
package enum ChildProcess {
  package struct Ended: Sendable {
    package let isSuccess: Bool
    /// What it printed, errors among it, without blanks at both ends; the first 64 KiB of it.
    package let output: String
  }

  private static let mostOutput = 1 << 16

  /// Its input is empty. `environment` and `folder` are this process's own where they are nil.
  package static func run(
    _ program: String, _ arguments: [String], environment: [String: String]? = nil,
    in folder: String? = nil
  ) async throws -> Ended {
    try await blocking("waiting for \(program)") { () throws(any Error) in
      let process = Process()
      process.executableURL = URL(filePath: program)
      process.arguments = arguments
      if let environment { process.environment = environment }
      if let folder { process.currentDirectoryURL = URL(filePath: folder) }
      let pipe = Pipe()
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = pipe
      process.standardError = pipe
      try process.run()
      var output = Data()
      // To the end, so that the program never waits for a reader.
      while let part = try pipe.fileHandleForReading.read(upToCount: mostOutput), !part.isEmpty {
        output += part.prefix(mostOutput - output.count)
      }
      process.waitUntilExit()
      return Ended(
        isSuccess: process.terminationReason == .exit && process.terminationStatus == 0,
        output: String(decoding: output, as: UTF8.self)
          .trimmingCharacters(in: .whitespacesAndNewlines))
    }
  }
}
