/// Suggests the right name for one that a user mistyped.

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
package func suggestion(_ written: String, among names: [String]) -> String? {
  if let known = synonyms[written.lowercased()], names.contains(known) { return known }
  return nearest(written, among: names)
}

/// Damerau-Levenshtein distance (adjacent transpositions count one), by its usual recurrence.
package func editDistance(_ a: String, _ b: String) -> Int {
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
