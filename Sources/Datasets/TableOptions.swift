import CTables
import Experiments
import Values

/// How a grid file describes a table: how its file is written, and what becomes of its columns.
package struct TableOptions: Sendable {
  enum Missing: String, CaseIterable, Sendable {
    /// A missing value is an error.
    case refuse
    /// Rows with a missing value are left out.
    case drop
    /// A number becomes the mean of its column, a word none of the categories, and another feature says
    /// that it was missing.
    case mean
  }

  let label: String?
  /// Nil: the file has a header, unless that looks like numbers.
  let hasHeader: Bool?
  let dialect: ct_dialect
  /// Names or patterns of the columns that are features; those behind "-" are left out. Nil: all.
  let columns: [String]?
  /// Names or patterns of columns whose values are words, whatever they look like.
  let categorical: [String]
  let missing: Missing

  /// The decimal mark as text.
  var decimal: String { String(decoding: [dialect.decimal], as: UTF8.self) }

  static let separators = [",", ";", "\t", "|", ":", " "]
  private static let comments = ["#", "%", ";", "!", "/"]
  private static let missing = DocumentField.word(
    "missing", Missing.allCases.map(\.rawValue), default: Missing.refuse.rawValue,
    "csv: rows with missing values are refused, dropped, or filled with the column's mean")
  private static let patterns = Shape.list(.text, count: 1...1000)

  static let fields: [ObjectShape.Field] = [
    .init("label", .text, "csv: the label's column; the last one by default."),
    .init("header", .bool, "csv: whether the first line names the columns; true by default."),
    .init("separator", .choice(separators), "csv: between fields; a comma by default."),
    .init("comment", .choice(comments), "csv: lines that begin with it are left out."),
    .init("decimal", .choice([".", ","]), "csv: the decimal mark; a point by default."),
    .init(
      "columns", patterns,
      "csv: the columns that are features, by name or pattern (\"x*\"); those behind \"-\" are left out."
    ),
    .init("categorical", patterns, "csv: columns of words, each of which becomes a feature."),
    missing.field,
  ]

  init(_ spec: DatasetSpec) { self.init(.object(spec.members)) }

  init(_ node: JSON) {
    func byte(_ key: String) -> UInt8? { node[key]?.stringValue?.utf8.first }
    label = node["label"]?.stringValue
    hasHeader = node["header"]?.boolValue
    dialect = ct_dialect(
      separator: byte("separator") ?? UInt8(ascii: ","), comment: byte("comment") ?? 0,
      decimal: byte("decimal") ?? UInt8(ascii: "."))
    columns = node["columns"]?.items?.compactMap(\.stringValue)
    categorical = node["categorical"]?.items?.compactMap(\.stringValue) ?? []
    missing = Missing(rawValue: TableOptions.missing.value(in: node)) ?? .refuse
  }

  /// How the file is written, as a description says it.
  var dialectJSON: JSON {
    func text(_ byte: UInt8) -> JSON { .string(String(decoding: [byte], as: UTF8.self)) }
    var members: [JSON.Member] = [
      .init("separator", text(dialect.separator)), .init("decimal", text(dialect.decimal)),
    ]
    if dialect.comment != 0 { members.append(.init("comment", text(dialect.comment))) }
    if let hasHeader { members.append(.init("header", .bool(hasHeader))) }
    return .object(members)
  }

  /// The members that a description has, in their order. None stands for a default, so that digests of
  /// tables without options stay.
  static func members(
    of node: JSON, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    let options = TableOptions(node)
    for (mark, key) in [(options.dialect.decimal, "decimal"), (options.dialect.comment, "comment")]
    where mark == options.dialect.separator {
      problems.append(
        Problem(
          join(path, key),
          "is the separator too; write another one, such as \"separator\": \";\""))
    }
    let defaults: [String: JSON] = [
      "separator": ",", "decimal": ".", missing.key: .string(Missing.refuse.rawValue),
    ]
    return fields.compactMap { field in
      guard let value = node[field.key], value != defaults[field.key] else { return nil }
      return .init(field.key, value)
    }
  }
}
