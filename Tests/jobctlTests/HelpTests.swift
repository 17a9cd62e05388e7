import Foundation
import TestSupport
import Testing

/// The help texts as users see them. Where a change is meant, run the tests with
/// JOBCTL_UPDATE_SNAPSHOTS=1 and commit the file.
@Suite struct HelpTests {
  @Test func theHelpTextsAreTheSnapshot() async throws {
    var text = ""
    let commands = [
      "", "plan", "submit", "list", "show", "status", "watch", "wait", "cancel", "retry", "delete",
      "worker", "report", "checkpoint", "checkpoint list", "checkpoint verify", "checkpoint export",
      "local", "migrate", "schema",
    ]
    for command in commands {
      let words = command.split(separator: " ").map(String.init)
      let result = try await Program.run(words + ["--help"])
      #expect(result.status == 0, "\(command)")
      text += "$ jobctl \((words + ["--help"]).joined(separator: " "))\n\(result.output)\n"
    }
    let file = repository.appending(path: "Tests/Fixtures/help.txt")
    if ProcessInfo.processInfo.environment["JOBCTL_UPDATE_SNAPSHOTS"] != nil {
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == text)
  }
}
