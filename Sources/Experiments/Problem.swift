/// What is wrong with a document, said so that its author can mend it without reading a manual.

package struct Problem: Hashable, Sendable, CustomStringConvertible {
  /// Where: a dotted path such as `optimizer.learning_rate`; empty for the whole document.
  package var path: String
  package var message: String

  /// Documents may hold keys and values of any length: what is said of them is cut.
  package init(_ path: String, _ message: String) {
    self.path = shortened(path, to: 120)
    self.message = shortened(message, to: 800)
  }

  /// The part of the document that it is about: the path's first key.
  var section: String { path.split(separator: ".").first.map(String.init) ?? "" }

  package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

/// All problems of one document, found in one pass.
package struct InvalidGrid: Error, CustomStringConvertible {
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
      guard text.utf8.count + line.utf8.count <= InvalidGrid.mostBytes || count == 0 else { break }
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

/// The nearest of some names to what was written, if any is near enough to be a typo of it.
package func nearest(_ written: String, among names: [String]) -> String? {
  // Nothing so long is a typo of a name, and distances take time.
  guard written.utf8.count <= 200, names.count <= 10_000 else { return nil }
  let limit = max(1, min(3, written.count / 3 + 1))
  return
    names.filter { abs($0.utf8.count - written.utf8.count) <= 4 * limit }
    .map { (name: $0, distance: editDistance(written.lowercased(), $0.lowercased())) }
    .filter { $0.distance <= limit }
    .min { $0.distance < $1.distance }?.name
}

/// "; did you mean X" where a name is near enough, else nothing: goes behind what was found.
package func hint(_ written: String, among names: [String]) -> String {
  suggestion(written, among: names).map { "; did you mean \"\($0)\"" } ?? ""
}

/// Names that other programs give our keys.
private let synonyms = [
  "lr": "learning_rate", "learningrate": "learning_rate", "wd": "weight_decay",
  "weightdecay": "weight_decay", "bs": "size", "batch_size": "size", "batchsize": "size",
  "model": "network", "arch": "network", "data": "dataset", "eps": "epsilon", "seed": "seeds",
  "sweep": "grid", "warmup": "warm_up", "milestones": "epochs", "gamma": "factor",
]

/// The key that is meant: by another name that it goes by, or the nearest in letters.
func suggestion(_ written: String, among names: [String]) -> String? {
  if let known = synonyms[written.lowercased()], names.contains(known) { return known }
  return nearest(written, among: names)
}

/// Damerau-Levenshtein distance (adjacent transpositions count one), by its usual recurrence.
func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.utf8), Array(b.utf8))
  var rows = [Array(0...b.count)]
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var best = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
        best = min(best, rows[i - 1][j - 1] + 1)
      }
      row.append(best)
    }
    rows.append(row)
  }
  return rows[a.count][b.count]
}

/// Names of grids, labels and files: safe in file names, SQL, CSV and terminals.
package func isValidName(_ name: String) -> Bool {
  (1...100).contains(name.utf8.count) && hasNameBytes(name)
}

/// Bytes that a run's name has at most: it names the values of all axes.
package let longestRunName = 400

func hasNameBytes(_ name: String) -> Bool { name.utf8.allSatisfy(nameBytes.contains) }

package let namePattern = "^[A-Za-z0-9._=+,-]{1,100}$"

private let nameBytes = Set(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=+,-".utf8)
