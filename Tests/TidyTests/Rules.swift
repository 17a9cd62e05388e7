/// Rules of the house as functions of a text: each gives the places that break it.
enum Rules {
  struct Fault: Equatable, CustomStringConvertible {
    /// From 1.
    var line: Int
    var what: String
    var description: String { "\(line): \(what)" }
  }

  static let mostLinesOfAFunction = 60

  /// Functions and initializers of more than sixty lines.
  static func longFunctions(_ lines: [Substring]) -> [Fault] {
    let beginning =
      /^( *)(?:@\w+ )?(?:(?:package|private|fileprivate|static|mutating|final|override|nonisolated) )*(func [^ (<]+|init[?(<]|deinit)/
    return lines.indices.compactMap { start in
      // What closes on its own line has one.
      guard let match = lines[start].firstMatch(of: beginning), !lines[start].hasSuffix("}") else {
        return nil
      }
      let end = String(match.1) + "}"
      // A requirement of a protocol has no end of its own: the protocol's comes first.
      let after = lines[(start + 1)...].firstIndex {
        $0.hasPrefix(end) || $0.hasPrefix("}")
      }
      let isEnded = after.map { lines[$0].hasPrefix(end) } ?? false
      let length = isEnded ? (after ?? start) - start + 1 : 1
      guard length > mostLinesOfAFunction else { return nil }
      return Fault(line: start + 1, what: "\(match.2) has \(length) lines")
    }
  }

  /// Errors that are thrown away without a comment that says why the loss is harmless. Two idioms say it
  /// themselves: a sleep that is cut short, and a scratch file that may be gone.
  static func discardedErrors(_ lines: [Substring]) -> [Fault] {
    lines.indices.compactMap { place in
      let line = lines[place]
      guard line.contains(/^ *(?:defer \{ )?(?:_ = )?try\?\s/) else { return nil }
      let isIdiom =
        line.contains("Task.sleep") || line.contains("FileManager.default.removeItem")
      let isExplained = lines[max(0, place - 2)...place].contains { $0.contains("//") }
      return isIdiom || isExplained ? nil : Fault(line: place + 1, what: "discards an error")
    }
  }

  static let mostLinesOfAStatement = 8

  /// Statements in Swift that are longer than a call: they belong to sql/.
  static func longStatements(_ lines: [Substring]) -> [Fault] {
    var faults: [Fault] = []
    var start: Int?
    for (place, line) in lines.enumerated() where line.contains("\"\"\"") {
      guard let begun = start else {
        start = place
        continue
      }
      start = nil
      let isSQL =
        lines[begun + 1].contains(/^ *(?:select|with|insert|update|delete|create|truncate)\s/)
      if isSQL, place - begun - 1 > mostLinesOfAStatement {
        faults.append(Fault(line: begun + 1, what: "a statement of \(place - begun - 1) lines"))
      }
    }
    return faults
  }

  /// Whether the first thing after the imports is a sentence.
  static func hasDoor(_ lines: [Substring]) -> Bool {
    let first = lines.first {
      !$0.isEmpty && !$0.hasPrefix("import ") && !$0.hasPrefix("@preconcurrency import ")
        && !$0.hasPrefix("#") && !$0.hasPrefix("// swift-tools")
    }
    return first?.hasPrefix("//") ?? true
  }

  /// Names that are declared in one of the files and stand nowhere else in any.
  static func unusedDeclarations(_ files: [(path: String, lines: [Substring])]) -> [String] {
    let declaration =
      /^ *(?:(?:package|private|fileprivate|internal|static|mutating|final|lazy|indirect|nonisolated|private\(set\)) )*(?:func|var|let|struct|enum|class|protocol|actor|typealias) `?(\w+)/
    var uses: [String: Int] = [:]
    var declared: [(name: String, path: String)] = []
    for (path, lines) in files {
      for line in lines {
        let code = line.prefix(upTo: line.firstRange(of: "//")?.lowerBound ?? line.endIndex)
        for word in code.matches(of: /\w+/) { uses[String(word.0), default: 0] += 1 }
        if let match = code.firstMatch(of: declaration) { declared.append((String(match.1), path)) }
      }
    }
    // The standard library calls what a protocol of its own requires.
    return declared.filter { uses[$0.name] == 1 && $0.name != "hash" }.map {
      "\($0.path) \($0.name)"
    }
  }
}
