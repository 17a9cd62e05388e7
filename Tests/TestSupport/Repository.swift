import Foundation

/// The repository's root, found from this file.
package let repository = URL(filePath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// The program `jobctl`, which is built beside the test runner.
package let builtProgram = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
  .deletingLastPathComponent().appending(path: "jobctl").path
