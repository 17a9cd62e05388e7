/// What is wrong with a document, said so that its author can mend it without reading a manual.

package struct Problem: Hashable, Sendable, CustomStringConvertible {
  /// Where: a dotted path such as `optimizer.learning_rate`; empty for the whole document.
  package var path: String
  package var message: String

  package init(_ path: String, _ message: String) {
    self.path = path
    self.message = message
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

  package var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// The nearest of some names to what was written, if any is near enough to be a typo of it.
package func nearest(_ written: String, among names: [String]) -> String? {
  let limit = max(1, min(3, written.count / 3 + 1))
  return
    names
    .map { (name: $0, distance: editDistance(written.lowercased(), $0.lowercased())) }
    .filter { $0.distance <= limit }
    .min { $0.distance < $1.distance }?.name
}

/// "; did you mean X" where a name is near enough, else nothing: goes behind what was found.
package func hint(_ written: String, among names: [String]) -> String {
  nearest(written, among: names).map { "; did you mean \"\($0)\"" } ?? ""
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

/// Names of grids, runs and labels: safe in file names, SQL, CSV and terminals.
package func isValidName(_ name: String) -> Bool {
  (1...100).contains(name.utf8.count) && name.utf8.allSatisfy(nameBytes.contains)
}

package let namePattern = "^[A-Za-z0-9._=+,-]{1,100}$"

private let nameBytes = Set(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=+,-".utf8)
