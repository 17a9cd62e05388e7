/// What is wrong with a document, said so that its author can mend it without reading a manual.

package struct Problem: Hashable, Sendable, CustomStringConvertible {
  /// Where: a dotted path such as `optimizer.learning_rate`; empty for the whole document.
  package var path: String
  package var message: String
  /// Whether it is a name, a member or a form that is not known, rather than a value out of bounds:
  /// another version may know it.
  package var isUnknown = false

  /// Documents may hold keys and values of any length: what is said of them is cut.
  package init(_ path: String, _ message: String, isUnknown: Bool = false) {
    self.isUnknown = isUnknown
    self.path = shortened(path, to: 120)
    self.message = shortened(message, to: 800)
  }

  /// The part of the document that it is about: the path's first key.
  package var section: String { path.split(separator: ".").first.map(String.init) ?? "" }

  package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

/// All problems of one document, found in one pass.
package struct InvalidDocument: Error, CustomStringConvertible {
  package var problems: [Problem]

  package init(_ problems: [Problem]) {
    var seen: Set<Problem> = []
    self.problems = problems.filter { seen.insert($0).inserted }
  }

  /// As many problems as a reader takes in; the first ones are the likeliest causes of the others.
  package var description: String {
    var (text, count) = ("", 0)
    for problem in problems {
      let line = (count == 0 ? "" : "\n") + problem.description
      guard text.utf8.count + line.utf8.count <= InvalidDocument.mostBytes || count == 0 else {
        break
      }
      text += line
      count += 1
    }
    return text + (count < problems.count ? "\nand \(problems.count - count) more errors" : "")
  }

  private static let mostBytes = 3500
}

/// A text's beginning, with a sign where something is left out.
package func shortened(_ text: String, to most: Int) -> String {
  guard text.utf8.count > most else { return text }
  // By bytes: one character may have many.
  return String(decoding: text.utf8.prefix(most - 3), as: UTF8.self) + "..."
}
