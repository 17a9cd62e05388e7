import SwiftCSV

/// A CSV file's text: its header and its rows, each with the line of the file that it begins on.
struct TableText {
  let header: [String]
  let rows: [(fields: [String], line: Int)]

  /// Blank lines are left out. Fields are trimmed.
  init(_ bytes: [UInt8], file: String) throws(DatasetError) {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .damaged(
        file: file, reason: "\(TableText.invalid(bytes)) is not UTF-8: this is no CSV file in text")
    }
    // A mark of the byte order, as spreadsheets write it.
    let content = text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text
    guard content.utf8.count(where: { $0 == UInt8(ascii: "\"") }).isMultiple(of: 2) else {
      throw .damaged(
        file: file, reason: "a quoted field does not end: the quotes are odd in number")
    }
    var found: [(fields: [String], line: Int)] = []
    var line = 1
    do {
      // No rows here: all would be filled up to the longest one.
      let table = try EnumeratedCSV(
        string: content, delimiter: .comma, loadColumns: false, rowLimit: 0)
      try table.enumerateAsArray(startAt: 0, rowLimit: nil) { fields in
        if fields != [""] { found.append((fields.map(TableText.trimmed), line)) }
        // A quoted field may hold line ends.
        line += 1 + fields.reduce(0) { $0 + $1.count(where: \.isNewline) }
      }
    } catch { throw .damaged(file: file, reason: "is no CSV file: \(error)") }
    guard let first = found.first else { throw .damaged(file: file, reason: "is empty") }
    header = first.fields
    rows = Array(found.dropFirst())
    for row in rows where row.fields.count != header.count {
      throw .damaged(
        file: file,
        reason:
          "line \(row.line) has \(row.fields.count) fields, the header \(header.count)")
    }
  }

  private static func trimmed(_ field: String) -> String {
    let end = field.lastIndex { !$0.isWhitespace }
    guard let end, let start = field.firstIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(field[start...end])
  }

  /// The place of the first bytes that are no text.
  private static func invalid(_ bytes: [UInt8]) -> String {
    var line = 1
    for part in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      if String(validating: part, as: UTF8.self) == nil { break }
      line += 1
    }
    return "line \(line)"
  }
}
