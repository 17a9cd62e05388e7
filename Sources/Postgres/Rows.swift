/// A parameter of a statement: always bound, never spliced into text.
package enum Parameter: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
  case null
  case text(String)
  case integer(Int)
  case real(Double)
  case bool(Bool)
  /// A text array, element by element.
  case texts([String])
  case integers([Int])

  package init(stringLiteral value: String) { self = .text(value) }
  package init(integerLiteral value: Int) { self = .integer(value) }

  package init(_ value: String?) { self = value.map(Parameter.text) ?? .null }
  package init(_ value: Int?) { self = value.map(Parameter.integer) ?? .null }

  /// PostgreSQL's text form.
  var wire: String? {
    switch self {
    case .null: nil
    case .text(let value): value
    case .integer(let value): String(value)
    case .real(let value): String(value)
    case .bool(let value): value ? "true" : "false"
    case .integers(let values): "{" + values.map(String.init).joined(separator: ",") + "}"
    case .texts(let values):
      "{"
        + values.map {
          "\"" + $0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }.joined(separator: ",") + "}"
    }
  }
}

/// Lines of COPY's text format.
package struct CopyLines: Sendable {
  private(set) var bytes: [UInt8] = []

  package init() {}

  /// Long enough to be worth sending.
  package var isFull: Bool { bytes.count > 1 << 16 }
  package var isEmpty: Bool { bytes.isEmpty }

  package mutating func add(_ fields: [Parameter]) {
    for (index, field) in fields.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: "\t")) }
      guard let text = field.wire else {
        bytes += Array("\\N".utf8)
        continue
      }
      for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "\\"): bytes += Array("\\\\".utf8)
        case UInt8(ascii: "\n"): bytes += Array("\\n".utf8)
        case UInt8(ascii: "\r"): bytes += Array("\\r".utf8)
        case UInt8(ascii: "\t"): bytes += Array("\\t".utf8)
        default: bytes.append(byte)
        }
      }
    }
    bytes.append(UInt8(ascii: "\n"))
  }
}

/// The rows of a result, values as text.
package struct Rows: Sendable {
  package let columns: [String]
  package let values: [[String?]]

  package var count: Int { values.count }

  /// The only value of a result with one row and one column or more.
  package var single: String? { values.first?.first ?? nil }

  package struct Row: Sendable {
    let columns: [String]
    package let values: [String?]

    package subscript(column: String) -> String? {
      guard let index = columns.firstIndex(of: column) else {
        preconditionFailure("no column \(column) among \(columns)")
      }
      return values[index]
    }
  }
}

extension Rows: Sequence {
  package func makeIterator() -> AnyIterator<Row> {
    var rest = values[...]
    return AnyIterator { rest.popFirst().map { Row(columns: columns, values: $0) } }
  }
}
