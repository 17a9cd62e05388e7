import CTables
import Foundation
import Values

/// Which columns of a table are features and which one is the label, by the names in its header. What
/// people overlook in their files is refused here, with what to write.
struct TableColumns {
  let label: Int
  /// Ascending.
  let features: [Int]

  init(_ options: TableOptions, _ text: TableText) throws(DatasetError) {
    if text.header.count < 2 { throw TableColumns.oneColumn(text) }
    label = try TableColumns.label(options, text)
    features = try TableColumns.features(options, text, label: label)
    guard !features.isEmpty else {
      throw .damaged(file: text.file, reason: "\"columns\" leaves no feature")
    }
    try refuseNumbersAsHeader(options, text)
    try refuseEqualNames(text)
  }

  /// The columns of another file that have the same names, in the order of these.
  func inFile(_ other: TableText, as text: TableText) throws(DatasetError) -> [Int] {
    var places: [Int] = []
    for column in [label] + features {
      places.append(try TableColumns.only(text.header[column], other))
    }
    return places
  }

  /// A file with one column has other separators, mostly.
  private static func oneColumn(_ text: TableText) -> DatasetError {
    let line = text.header.first ?? ""
    let likely = TableOptions.separators.filter { $0 != "," && $0 != " " && line.contains($0) }
    let hint = likely.first.map {
      "; if its columns are separated otherwise, write \"separator\": \(JSON.string($0).encoded())"
    }
    return .damaged(file: text.file, reason: "has fewer than two columns" + (hint ?? ""))
  }

  private static func label(
    _ options: TableOptions, _ text: TableText
  ) throws(DatasetError) -> Int {
    guard let name = options.label else { return text.header.count - 1 }
    return try only(name, text)
  }

  /// The column of a name.
  static func only(_ name: String, _ text: TableText) throws(DatasetError) -> Int {
    let columns = text.header.indices.filter { text.header[$0] == name }
    guard let column = columns.first else {
      throw .damaged(
        file: text.file,
        reason: "has no column \"\(name)\"\(hint(name, among: text.header)); it has "
          + listed(text.header))
    }
    guard columns.count == 1 else {
      throw .damaged(file: text.file, reason: "has \(columns.count) columns \"\(name)\"")
    }
    return column
  }

  static func listed(_ names: [String]) -> String {
    shortened(names.prefix(50).joined(separator: ", "), to: 1000)
  }

  /// Whether a name is the pattern itself or fits it (`*`, `?` and `[...]`, as file names do).
  static func fits(_ name: String, _ pattern: String) -> Bool {
    name == pattern || fnmatch(pattern, name, 0) == 0
  }

  private static func features(
    _ options: TableOptions, _ text: TableText, label: Int
  ) throws(DatasetError) -> [Int] {
    let all = text.header.indices.filter { $0 != label }
    guard let patterns = options.columns else {
      if let column = all.first(where: { text.unnamed.contains($0) }) {
        let name = text.header[column]
        throw .damaged(
          file: text.file,
          reason:
            "\(name) has no name\(try numbersRows(column, text) ? " and numbers the rows" : ""):"
            + " leave it out with \"columns\": [\"-\(name)\"], or keep it with \"columns\": [\"*\"]"
        )
      }
      return all
    }
    let kept = patterns.filter { !$0.hasPrefix("-") }
    let left = patterns.filter { $0.hasPrefix("-") }.map { String($0.dropFirst()) }
    for pattern in kept + left where !text.header.contains(where: { fits($0, pattern) }) {
      throw .damaged(
        file: text.file,
        reason: "no column fits \"\(pattern)\" of \"columns\"\(hint(pattern, among: text.header)); "
          + "it has \(listed(text.header))")
    }
    return all.filter { column in
      let name = text.header[column]
      return (kept.isEmpty || kept.contains { fits(name, $0) }) && !left.contains { fits(name, $0) }
    }
  }

  /// Whether a column counts the rows, up from any number.
  private static func numbersRows(_ column: Int, _ text: TableText) throws(DatasetError) -> Bool {
    let records = try text.survey([]).incomplete.count
    let values = try text.numbers([column], TableRows(count: records, kept: nil))
    return zip(values, values.dropFirst()).allSatisfy { $1 == $0 + 1 }
  }

  /// A first line of numbers is a row, most often.
  private func refuseNumbersAsHeader(
    _ options: TableOptions, _ text: TableText
  ) throws(DatasetError) {
    guard options.hasHeader == nil, options.label == nil,
      features.allSatisfy({
        DecimalNumber(text.header[$0], decimal: text.decimal) != nil
      })
    else { return }
    throw .damaged(
      file: text.file,
      reason: "its first line holds numbers and no names: write \"header\": false, or "
        + "\"header\": true if these are the names")
  }

  private func refuseEqualNames(_ text: TableText) throws(DatasetError) {
    var places: [String: Int] = [:]
    for column in ([label] + features).sorted() {
      if let other = places.updateValue(column, forKey: text.header[column]) {
        throw .damaged(
          file: text.file,
          reason: "columns \(other + 1) and \(column + 1) are both called "
            + "\"\(shortened(text.header[column], to: 60))\": give one another name, or leave both out "
            + "with \"columns\"")
      }
    }
  }
}
