import Values

/// Rows of one kind as a table for people and as JSON for programs. Both are made from one list of columns,
/// so a column is added in one line.

/// One column of a listing.
package struct ListingColumn<Row> {
  /// Its member in JSON; nil where it is for people only.
  fileprivate let key: String?
  /// Its title in a table; nil where it is for programs only.
  fileprivate let title: String?
  fileprivate let side: TextTable.Side
  fileprivate let json: (Row) -> JSON
  fileprivate let text: (Row) -> String

  /// Text at the left.
  package static func text(
    _ key: String?, title: String? = nil, _ value: @escaping (Row) -> String?
  ) -> ListingColumn {
    .init(
      key: key, title: title ?? key.map(words), side: .left,
      json: { value($0).map(JSON.string) ?? .null }, text: { value($0) ?? "" })
  }

  /// An integer at the right.
  package static func integer(
    _ key: String?, title: String? = nil, _ value: @escaping (Row) -> Int?
  ) -> ListingColumn {
    .init(
      key: key, title: title ?? key.map(words), side: .right,
      json: { value($0).map(JSON.integer) ?? .null }, text: { value($0).map(String.init) ?? "" })
  }

  /// For people only: text that stands at the right, as numbers do.
  package static func figure(
    _ title: String, _ text: @escaping (Row) -> String
  ) -> ListingColumn {
    .init(key: nil, title: title, side: .right, json: { _ in .null }, text: text)
  }

  /// The column as a table leaves it out.
  package var inJSONOnly: ListingColumn {
    .init(key: key, title: nil, side: side, json: json, text: text)
  }

  /// "learning rate" of "learning_rate".
  private static func words(_ key: String) -> String { key.replacing("_", with: " ") }
}

package struct Listing<Row> {
  private let rows: [Row]
  private let columns: [ListingColumn<Row>]

  package init(_ rows: [Row], _ columns: [ListingColumn<Row>]) {
    (self.rows, self.columns) = (rows, columns)
  }

  /// A line for each row, below the titles; `empty` where there are no rows.
  package func text(or empty: String) -> String { rows.isEmpty ? empty : table.text }

  package var table: TextTable {
    let shown = columns.filter { $0.title != nil }
    var table = TextTable(shown.map { ($0.title ?? "", $0.side) })
    for row in rows { table.add(shown.map { $0.text(row) }) }
    return table
  }

  /// An object for each row.
  package var json: JSON {
    .array(
      rows.map { row in
        .object(columns.compactMap { column in column.key.map { .init($0, column.json(row)) } })
      })
  }
}
