import Foundation
import TestSupport
import Testing

/// Rules of the house that a program can hold.
@Suite struct TidyTests {
  /// docs/ARCHITECTURE.md draws this. The compiler lets undeclared transitive imports pass; this does
  /// not.
  private static let arrows: [String: Set<String>] = [
    "Experiments": [],
    "Tensors": ["CKernels", "COpenBLAS"],
    "NeuralNet": ["Experiments", "Tensors"],
    "Datasets": ["CZlib", "Experiments", "Tensors"],
    "Checkpoints": ["CZstd", "Experiments"],
    "Training": [
      "Checkpoints", "Datasets", "Experiments", "NeuralNet", "Statistics", "Tensors",
    ],
    "Postgres": ["CPostgres"],
    "JobQueue": ["Experiments", "Postgres"],
    "Reports": ["Experiments", "Postgres", "Statistics"],
    "Worker": [
      "Checkpoints", "Datasets", "Experiments", "JobQueue", "Postgres", "Tensors", "Training",
    ],
    "jobctl": [
      "Checkpoints", "Datasets", "Experiments", "JobQueue", "Postgres", "Reports", "Training",
      "Worker",
    ],
    "bench": [
      "Checkpoints", "Experiments", "JobQueue", "NeuralNet", "Postgres", "Reports", "Tensors",
      "Training",
    ],
    "chaos": ["Experiments", "JobQueue", "Postgres"],
    "fuzz": ["Checkpoints", "Datasets", "Experiments", "Training"],
    "Statistics": [],
    "EmbedSQL": [],
    "EmbedSQLPlugin": [],
    "CKernels": [], "COpenBLAS": [], "CPostgres": [], "CZlib": [], "CZstd": [],
  ]

  private struct Source {
    let path: String
    let lines: [Substring]
  }

  private func sources(_ folder: String, _ endings: [String]) throws -> [Source] {
    let root = repository.appending(path: folder)
    let files =
      FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
    return try files.filter { file in endings.contains { file.hasSuffix($0) } }.map { file in
      let text = try String(contentsOf: root.appending(path: file), encoding: .utf8)
      return Source(
        path: "\(folder)/\(file)",
        lines: text.split(separator: "\n", omittingEmptySubsequences: false))
    }
  }

  @Test func importsFollowTheArrows() throws {
    let modules = Set(TidyTests.arrows.keys)
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: repository.appending(path: "Sources").path)
    #expect(Set(folders) == modules)
    for source in try sources("Sources", [".swift"]) {
      let module = String(source.path.split(separator: "/")[1])
      let allowed = TidyTests.arrows[module] ?? []
      for line in source.lines where line.hasPrefix("import ") {
        let name = String(line.dropFirst(7))
        guard modules.contains(name) else { continue }
        #expect(allowed.contains(name), "\(source.path) imports \(name)")
      }
    }
  }

  @Test func filesAndLinesAreShort() throws {
    for source in try sources("Sources", [".swift", ".c", ".h"]) + sources("sql", [".sql"]) {
      #expect(source.lines.count <= 501, "\(source.path) has \(source.lines.count) lines")
      for (index, line) in source.lines.enumerated() {
        // The formatter holds Swift to 100 but leaves long strings alone.
        let limit = source.path.hasSuffix(".swift") ? 110 : 100
        #expect(line.count <= limit, "\(source.path):\(index + 1) has \(line.count) characters")
      }
    }
  }

  @Test func everyFileSaysWhatItIsFor() throws {
    for source in try sources("Sources", [".swift", ".c", ".h"])
    where !source.path.hasSuffix("shim.h") {
      let comments = source.lines.prefix(30).contains { $0.hasPrefix("//") }
      #expect(comments, "\(source.path) has no sentence at its door")
    }
    for source in try sources("sql", [".sql"]) {
      #expect(source.lines.first?.hasPrefix("-- ") == true, "\(source.path)")
    }
  }

  @Test func nothingIsPublicForcedOrUncheckedWithoutProof() throws {
    for source in try sources("Sources", [".swift"]) {
      for (index, line) in source.lines.enumerated() {
        let place = "\(source.path):\(index + 1)"
        #expect(!line.contains("public "), "\(place) is public")
        #expect(!line.contains("try!"), "\(place) forces a try")
        #expect(!line.contains("fatalError"), "\(place) traps without a reason; use a precondition")
        if line.contains("@unchecked Sendable") {
          let before = source.lines[max(0, index - 8)..<index].joined(separator: "\n")
          #expect(before.contains("/// Sendable:"), "\(place) needs the sentence that proves it")
        }
      }
    }
  }

  @Test func noRoomIsCalledByWhatItIsNot() throws {
    let words = ["Utils", "Helpers", "Common", "Manager", "Misc"]
    for source in try sources("Sources", [".swift", ".c", ".h"]) {
      for word in words { #expect(!source.path.contains(word), "\(source.path)") }
    }
  }

  @Test func eachFunctionHasAFileOfItsName() throws {
    for source in try sources("sql/functions", [".sql"]) {
      let name = URL(filePath: source.path).deletingPathExtension().lastPathComponent
      let created = source.lines.filter { $0.hasPrefix("create or replace function") }
      #expect(created.count == 1, "\(source.path)")
      #expect(created.first?.contains("api.\(name)(") == true, "\(source.path)")
      // Internal ones run inside of these, with the path that they have pinned.
      #expect(
        name.hasPrefix("internal_")
          != source.lines.contains { $0.contains("security definer set search_path = pg_catalog") },
        "\(source.path): whoever runs with the owner's rights pins its search path")
    }
  }

  @Test func theGlossaryStaysShort() throws {
    let text = try String(
      contentsOf: repository.appending(path: "docs/GLOSSARY.md"), encoding: .utf8)
    let words = text.split(separator: "\n").filter { $0.hasPrefix("- **") }
    #expect((30...50).contains(words.count))
  }
}
