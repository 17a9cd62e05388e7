import Foundation
import TestSupport
import Testing

/// The help texts as users see them. Where a change is meant, run the tests with
/// JOBCTL_UPDATE_SNAPSHOTS=1 and commit the file.
@Suite struct HelpTests {
  /// The commands below one, as its help lists them; each behind those that it has itself.
  private func commands(below words: [String]) async throws -> [[String]] {
    let help = try await Program.run(words + ["--help"])
    #expect(help.status == 0, "\(words)")
    let lines = help.output.split(separator: "\n", omittingEmptySubsequences: false)
    guard let start = lines.firstIndex(of: "SUBCOMMANDS:") else { return [words] }
    var found = [words]
    for line in lines[(start + 1)...].prefix(while: { $0.hasPrefix("  ") }) {
      // What goes on from the line before is indented further.
      guard let match = line.firstMatch(of: /^  ([a-z-]+)(?: |$)/) else { continue }
      found += try await commands(below: words + [String(match.1)])
    }
    return found
  }

  @Test func theHelpTextsAreTheSnapshot() async throws {
    var text = ""
    let commands = try await commands(below: [])
    #expect(commands.count >= 33, "\(commands)")
    for words in commands {
      let result = try await Program.run(words + ["--help"])
      #expect(result.status == 0, "\(words)")
      text += "$ jobctl \((words + ["--help"]).joined(separator: " "))\n\(result.output)\n"
    }
    let file = repository.appending(path: "Tests/Fixtures/help.txt")
    if ProcessInfo.processInfo.environment["JOBCTL_UPDATE_SNAPSHOTS"] != nil {
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == text)
  }
}
