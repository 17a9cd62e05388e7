import Foundation
import Subprocess
import SystemPackage
import TestSupport
import Testing

/// Mutated inputs of fixed seeds, and those that once failed.
@Suite struct FuzzTests {
  private func fuzz(_ arguments: [String]) async throws -> (isSuccess: Bool, output: String) {
    let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appending(path: "fuzz").path
    let result = try await Subprocess.run(
      .path(FilePath(path)),
      arguments: Arguments(
        arguments + ["--examples", repository.appending(path: "examples").path]),
      output: .string(limit: 1 << 20), error: .combinedWithOutput)
    return (result.terminationStatus.isSuccess, result.standardOutput)
  }

  @Test(arguments: [1, 2, 3]) func noMutatedInputTrapsHangsOrIsAcceptedUnsoundly(seed: Int)
    async throws
  {
    let folder = try TemporaryFolder()
    let result = try await fuzz([
      "--seed", String(seed), "--cases", "400", "--findings", folder.path + "/findings",
    ])
    #expect(result.isSuccess, "\(result.output)")
    #expect(result.output.contains("400 inputs of seed \(seed) were read"))
  }

  @Test func inputsThatOnceFailedAreAnswered() async throws {
    let folder = repository.appending(path: "Tests/Fixtures/fuzz")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      .filter { !$0.hasPrefix(".") }
    #expect(files.count >= 10)
    for file in files {
      let result = try await fuzz(["--replay", folder.appending(path: file).path])
      #expect(result.isSuccess, "\(file): \(result.output)")
    }
  }
}
