import Values

/// A thing that crosses between Swift and SQL, with the one list of its columns: documents for
/// functions, lines of COPY and what views and functions answer are all made and read by it.
package protocol TypedRow: Sendable {
  /// What SQL calls it: a composite type of schema api, a view or a function.
  static var sqlName: String { get }
  static var columns: [Column<Self>] { get }
  /// Blank, to be filled.
  init()
}

/// One column: its name and type in SQL, and the member of the Swift type that holds it.
package struct Column<Row>: Sendable {
  package let name: String
  /// As format_type() gives it.
  package let type: String
  package let isNullable: Bool
  /// Reads PostgreSQL's text form into the row; false where it is not of the type.
  fileprivate let read: @Sendable (inout Row, String?) -> Bool
  package let parameter: @Sendable (Row) -> Parameter
  fileprivate let json: @Sendable (Row) -> JSON

  /// `type` is given where SQL's is narrower than Swift's.
  package init<Value: ColumnValue>(
    _ name: String, _ member: WritableKeyPath<Row, Value> & Sendable, type: String = Value.sqlType,
    reading value: @escaping @Sendable (String?) -> Value? = Value.read
  ) {
    self.name = name
    self.type = type
    isNullable = Value.isNullable
    // Where the member is stored: reports read millions of values, and a key path is slow.
    let offset = MemoryLayout<Row>.offset(of: member)
    read = { row, text in
      guard let value = value(text) else { return false }
      if let offset {
        withUnsafeMutablePointer(to: &row) {
          (UnsafeMutableRawPointer($0) + offset).assumingMemoryBound(to: Value.self).pointee = value
        }
      } else {
        row[keyPath: member] = value
      }
      return true
    }
    parameter = { $0[keyPath: member].parameter }
    json = { $0[keyPath: member].json }
  }

  /// A row inside of this one, as an object.
  package init<Inner: TypedRow>(_ name: String, _ member: WritableKeyPath<Row, Inner> & Sendable) {
    self.name = name
    type = Inner.sqlName
    isNullable = false
    read = { row, text in
      guard let node = JSON.read(text), let inner = try? Inner(node) else { return false }
      row[keyPath: member] = inner
      return true
    }
    parameter = { .text($0[keyPath: member].json.encoded()) }
    json = { $0[keyPath: member].json }
  }

  /// A row inside of this one that may be absent.
  package init<Inner: TypedRow>(_ name: String, _ member: WritableKeyPath<Row, Inner?> & Sendable) {
    self.name = name
    type = Inner.sqlName
    isNullable = true
    read = { row, text in
      guard let text else {
        row[keyPath: member] = nil
        return true
      }
      guard let node = JSON.read(text), let inner = try? Inner(node) else { return false }
      row[keyPath: member] = inner
      return true
    }
    parameter = { $0[keyPath: member].map { .text($0.json.encoded()) } ?? .null }
    json = { $0[keyPath: member]?.json ?? .null }
  }
}

/// A row of the database that this program cannot read: another version's, or a broken one.
package struct UnreadableRow: Error, CustomStringConvertible {
  package let row: String
  package let column: String
  package let type: String
  package let reason: String

  package init(row: String, column: String, type: String, reason: String) {
    (self.row, self.column, self.type, self.reason) = (row, column, type, reason)
  }

  package var description: String {
    "the database's answer cannot be read: \(row) has \(reason) in the column \(column), which is "
      + "of type \(type); jobctl doctor compares the versions"
  }
}

extension TypedRow {
  /// The columns' names, for `select` and COPY.
  package static var columnList: String {
    columns.map { "\"\($0.name)\"" }.joined(separator: ", ")
  }

  /// As a function of schema api takes it.
  package var json: JSON { .object(Self.columns.map { .init($0.name, $0.json(self)) }) }

  /// As COPY takes it.
  package var parameters: [Parameter] { Self.columns.map { $0.parameter(self) } }

  /// Reads what a function gave.
  package init(_ node: JSON) throws(UnreadableRow) {
    self.init()
    guard node.members != nil else {
      throw UnreadableRow(
        row: Self.sqlName, column: "*", type: "object", reason: "\(node.kindName) instead of values"
      )
    }
    for column in Self.columns {
      let value = node[column.name]
      guard value != nil || column.isNullable else { throw column.missing(in: Self.sqlName) }
      let text = value?.sqlText
      guard column.read(&self, text) else { throw column.unreadable(text, in: Self.sqlName) }
    }
  }
}

extension Column {
  fileprivate func missing(in row: String) -> UnreadableRow {
    UnreadableRow(row: row, column: name, type: type, reason: "nothing")
  }

  fileprivate func unreadable(_ text: String?, in row: String) -> UnreadableRow {
    UnreadableRow(
      row: row, column: name, type: type,
      reason: text.map { "\"\(shortened($0, to: 60))\"" } ?? "null")
  }
}

extension Rows {
  /// The rows of a result, which may have more columns than are asked for.
  package func read<Row: TypedRow>(as type: Row.Type) throws(UnreadableRow) -> [Row] {
    var placed: [(column: Column<Row>, place: Int)] = []
    for column in Row.columns {
      guard let place = columns.firstIndex(of: column.name) else {
        throw column.missing(in: Row.sqlName)
      }
      placed.append((column, place))
    }
    let blank = Row()
    var rows: [Row] = []
    rows.reserveCapacity(values.count)
    for texts in values {
      rows.append(blank)
      for (column, place) in placed where !column.read(&rows[rows.count - 1], texts[place]) {
        throw column.unreadable(texts[place], in: Row.sqlName)
      }
    }
    return rows
  }
}

extension JSON {
  /// PostgreSQL's text form of a member; nil is null.
  fileprivate var sqlText: String? {
    switch self {
    case .null: nil
    case .string(let text): text
    case .number(let text): text
    case .bool(let value): value ? "t" : "f"
    case .array, .object: encoded()
    }
  }
}
