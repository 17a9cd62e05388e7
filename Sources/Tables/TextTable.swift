import Values

/// Tables for terminals, CSV files and pages. Text from outside is data: control characters do not
/// reach a terminal, no cell begins like a spreadsheet's formula, and no tag reaches a page.

package struct TextTable {
  package enum Side { case left, right }

  private let columns: [(title: String, side: Side)]
  private var rows: [[String]] = []

  package init(_ columns: [(String, Side)]) { self.columns = columns.map { (title: $0, side: $1) } }

  /// Objects with the same keys, each a row; null is an empty cell.
  package init(_ objects: [JSON]) {
    let keys = objects.first?.members?.map(\.key) ?? []
    self.init(keys.map { ($0, .left) })
    for object in objects {
      let members = object.members ?? []
      add(
        keys.indices.map { place in
          // Nearly always in the same order.
          let isInPlace = place < members.count && members[place].key == keys[place]
          let value = isInPlace ? members[place].value : object[keys[place]] ?? .null
          return value.isNull ? "" : value.stringValue ?? value.encoded()
        })
    }
  }

  package mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count, "\(cells.count) cells in \(columns.count) columns")
    rows.append(cells)
  }

  package var isEmpty: Bool { rows.isEmpty }

  package var text: String {
    let clean = rows.map { $0.map(printable) }
    let widths = columns.indices.map { c in
      ([columns[c].title] + clean.map { $0[c] }).map(\.count).max() ?? 0
    }
    func line(_ cells: [String]) -> String {
      let padded = cells.indices.map { c in
        let space = String(repeating: " ", count: widths[c] - cells[c].count)
        return columns[c].side == .left ? cells[c] + space : space + cells[c]
      }
      let text = padded.joined(separator: "  ")
      return String(text.reversed().drop { $0 == " " }.reversed())
    }
    return ([line(columns.map(\.title))] + clean.map(line)).joined(separator: "\n")
  }

  package var html: String {
    func cell(_ text: String, _ column: Int, _ tag: String) -> String {
      let side = columns[column].side == .right ? " class=\"right\"" : ""
      return "<\(tag)\(side)>\(escaped(text))</\(tag)>"
    }
    func line(_ cells: [String], _ tag: String) -> String {
      "<tr>" + cells.enumerated().map { cell($1, $0, tag) }.joined() + "</tr>"
    }
    return "<table>\n<thead>\(line(columns.map(\.title), "th"))</thead>\n<tbody>\n"
      + rows.map { line($0, "td") + "\n" }.joined() + "</tbody>\n</table>"
  }

  package var csv: String {
    func cell(_ text: String) -> String {
      var text = printable(text)
      if let first = text.utf8.first, "=+-@".utf8.contains(first), Double(text) == nil {
        text = "'" + text
      }
      guard text.utf8.contains(where: { ",\"\n".utf8.contains($0) }) else { return text }
      let hasQuotes = text.utf8.contains(UInt8(ascii: "\""))
      return "\"" + (hasQuotes ? text.replacing("\"", with: "\"\"") : text) + "\""
    }
    return ([columns.map(\.title)] + rows).map { $0.map(cell).joined(separator: ",") + "\n" }
      .joined()
  }
}
