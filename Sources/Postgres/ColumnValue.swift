import Values

/// A value of a column: how PostgreSQL writes it, and what it is in JSON.
package protocol ColumnValue: Sendable {
  /// PostgreSQL's name of the type, as format_type() gives it.
  static var sqlType: String { get }
  static var isNullable: Bool { get }
  /// Reads PostgreSQL's text form, nil being null; nil where it is none of this type.
  static func read(_ text: String?) -> Self?
  var parameter: Parameter { get }
  var json: JSON { get }
}

extension ColumnValue {
  package static var isNullable: Bool { false }
}

extension Int: ColumnValue {
  package static var sqlType: String { "bigint" }
  package static func read(_ text: String?) -> Int? { text.flatMap { Int($0) } }
  package var parameter: Parameter { .integer(self) }
  package var json: JSON { .integer(self) }
}

extension Double: ColumnValue {
  package static var sqlType: String { "double precision" }
  package static func read(_ text: String?) -> Double? { text.flatMap { Double($0) } }
  package var parameter: Parameter { .real(self) }
  package var json: JSON { .real(self) }
}

extension Float: ColumnValue {
  package static var sqlType: String { "real" }
  package static func read(_ text: String?) -> Float? { text.flatMap { Float($0) } }
  /// Through the shortest text: as a double it would have other digits.
  package var parameter: Parameter { .text(String(self)) }
  package var json: JSON { .real(self) }
}

extension Bool: ColumnValue {
  package static var sqlType: String { "boolean" }
  package static func read(_ text: String?) -> Bool? {
    switch text {
    case "t", "true": true
    case "f", "false": false
    default: nil
    }
  }
  package var parameter: Parameter { .bool(self) }
  package var json: JSON { .bool(self) }
}

extension String: ColumnValue {
  package static var sqlType: String { "text" }
  package static func read(_ text: String?) -> String? { text }
  package var parameter: Parameter { .text(self) }
  package var json: JSON { .string(self) }
}

extension JSON: ColumnValue {
  package static var sqlType: String { "jsonb" }
  package static func read(_ text: String?) -> JSON? { text.flatMap { try? JSON(parsing: $0) } }
  package var parameter: Parameter { .text(encoded()) }
  package var json: JSON { self }
}

/// An item of a list.
package protocol ListItem: ColumnValue {
  init?(item: JSON)
  static func parameter(of list: [Self]) -> Parameter
}

extension Int: ListItem {
  package init?(item: JSON) {
    guard let value = item.intValue else { return nil }
    self = value
  }
  package static func parameter(of list: [Int]) -> Parameter { .integers(list) }
}

extension String: ListItem {
  package init?(item: JSON) {
    guard let value = item.stringValue else { return nil }
    self = value
  }
  package static func parameter(of list: [String]) -> Parameter { .texts(list) }
}

extension Array: ColumnValue where Element: ListItem {
  package static var sqlType: String { Element.sqlType + "[]" }
  /// As JSON has it: views and functions give lists inside of documents only.
  package static func read(_ text: String?) -> [Element]? {
    guard let items = JSON.read(text)?.items else { return nil }
    let values = items.compactMap(Element.init(item:))
    return values.count == items.count ? values : nil
  }
  package var parameter: Parameter { Element.parameter(of: self) }
  package var json: JSON { .array(map(\.json)) }
}

extension Optional: ColumnValue where Wrapped: ColumnValue {
  package static var sqlType: String { Wrapped.sqlType }
  package static var isNullable: Bool { true }
  package static func read(_ text: String?) -> Wrapped?? {
    guard text != nil else { return .some(.none) }
    return Wrapped.read(text).map { .some($0) }
  }
  package var parameter: Parameter { self?.parameter ?? .null }
  package var json: JSON { self?.json ?? .null }
}

/// A word of few, kept as text.
package protocol ColumnWord: ColumnValue, RawRepresentable where RawValue == String {}

extension ColumnWord {
  package static var sqlType: String { "text" }
  package static func read(_ text: String?) -> Self? { text.flatMap(Self.init(rawValue:)) }
  package var parameter: Parameter { .text(rawValue) }
  package var json: JSON { .string(rawValue) }
}
