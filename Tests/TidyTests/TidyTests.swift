import Foundation
import TestSupport
import Testing

/// Rules of the house that a program can hold.
@Suite struct TidyTests {
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

  /// What Package.swift lets each target of Sources import. The compiler lets undeclared transitive
  /// imports pass; this does not.
  private static func arrows(in manifest: String) -> [String: Set<String>] {
    let declarations = /(?:module|program)\(\s*"(\w+)",\s*\[([^\]]*)\]/
    let leaves = /\.(?:target|systemLibrary|executableTarget|plugin)\(\s*name: "(\w+)"/
    var arrows: [String: Set<String>] = [:]
    for match in manifest.matches(of: leaves) { arrows[String(match.1)] = [] }
    for match in manifest.matches(of: declarations) {
      arrows[String(match.1)] = Set(match.2.matches(of: /"(\w+)"/).map { String($0.1) })
    }
    // CKernels and COpenBLAS and the like are declared by name alone.
    return arrows
  }

  @Test func importsFollowTheArrows() throws {
    let manifest = try String(
      contentsOf: repository.appending(path: "Package.swift"), encoding: .utf8)
    let arrows = TidyTests.arrows(in: manifest)
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: repository.appending(path: "Sources").path)
    #expect(Set(folders) == Set(arrows.keys).subtracting(["CPicturesPlain", "TestSupport"]))
    var used: [String: Set<String>] = [:]
    for source in try sources("Sources", [".swift"]) {
      let module = String(source.path.split(separator: "/")[1])
      for line in source.lines where line.hasPrefix("import ") {
        let name = String(line.dropFirst(7))
        guard arrows[name] != nil else { continue }
        used[module, default: []].insert(name)
        #expect(arrows[module]?.contains(name) == true, "\(source.path) imports \(name)")
      }
    }
    for (module, declared) in arrows {
      let unused = declared.subtracting(used[module] ?? [])
      #expect(unused.isEmpty, "\(module) declares \(unused.sorted()) and imports none of them")
    }
  }

  @Test func arrowsAreReadFromAManifest() {
    let manifest = """
      .target(name: "C"), module("A", []), module(
        "B", ["A", "C", logging], plugins: [.plugin(name: "P")]), program("door", ["B"]),
      """
    #expect(
      TidyTests.arrows(in: manifest) == [
        "A": [], "B": ["A", "C"], "C": [], "door": ["B"], "P": [],
      ])
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
    for source in try sources("Sources", [".swift"]) {
      #expect(Rules.hasDoor(source.lines), "\(source.path) has no sentence at its door")
    }
    for source in try sources("Sources", [".c", ".h"]) where !source.path.hasSuffix("shim.h") {
      let comments = source.lines.prefix(30).contains { $0.hasPrefix("//") }
      #expect(comments, "\(source.path) has no sentence at its door")
    }
    for source in try sources("sql", [".sql"]) {
      #expect(source.lines.first?.hasPrefix("-- ") == true, "\(source.path)")
    }
  }

  @Test func functionsAreShortErrorsAreNotSwallowedAndSQLIsInItsFolder() throws {
    // Fixtures of the bench and questions of chaos are no part of the product.
    let tools = ["Sources/bench/", "Sources/chaos/"]
    for source in try sources("Sources", [".swift"]) {
      let isTool = tools.contains { source.path.hasPrefix($0) }
      let faults =
        Rules.longFunctions(source.lines) + Rules.discardedErrors(source.lines)
        + (isTool ? [] : Rules.longStatements(source.lines))
      for fault in faults { Issue.record("\(source.path):\(fault)") }
    }
  }

  @Test func nothingIsDeclaredInVain() throws {
    // Entry points, and members that a protocol of a library asks for.
    let called = [
      "EmbedSQLPlugin", "createBuildCommands", "unownedExecutor", "enqueue", "Bench", "Chaos",
    ]
    let unused = Rules.unusedDeclarations(
      try sources("Sources", [".swift"]).map { ($0.path, $0.lines) }
    ).filter { place in !called.contains { place.hasSuffix(" \($0)") } }
    #expect(unused == [])
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

  /// A header of a C target that its umbrella leaves out stops a build whose warnings are errors, but
  /// only where no module of an earlier build lies in the cache.
  @Test func anUmbrellaHeaderIncludesAllOthers() throws {
    for target in ["CKernels", "CPictures", "CTables"] {
      let headers = try sources("Sources/\(target)/include", [".h"])
      let umbrella = try #require(headers.first { $0.path.hasSuffix("/\(target).h") })
      for header in headers where header.path != umbrella.path {
        let name = header.path.split(separator: "/").last ?? ""
        #expect(umbrella.lines.contains("#include \"\(name)\""), "\(header.path)")
      }
    }
  }

  @Test func theGlossaryStaysShort() throws {
    let text = try String(
      contentsOf: repository.appending(path: "docs/GLOSSARY.md"), encoding: .utf8)
    let words = text.split(separator: "\n").filter { $0.hasPrefix("- **") }
    #expect((30...50).contains(words.count))
  }
}
