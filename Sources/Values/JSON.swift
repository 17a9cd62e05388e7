/// An ordered JSON value and its parser. Foundation's parser forgets the order of keys and the text
/// of numbers; a grid file needs both: axes name runs in file order, and 0.1 is exactly 1/10.

package indirect enum JSON: Hashable, Sendable {
  case null
  case bool(Bool)
  /// The literal as written, checked against JSON's grammar.
  case number(String)
  case string(String)
  case array([JSON])
  case object([Member])

  package struct Member: Hashable, Sendable {
    package var key: String
    package var value: JSON

    package init(_ key: String, _ value: JSON) {
      self.key = key
      self.value = value
    }
  }

  package static func integer(_ value: Int) -> JSON { .number(String(value)) }
  package static func real(_ value: Double) -> JSON {
    value.isFinite ? .number(JSON.text(of: value)) : .null
  }
  package static func real(_ value: Float) -> JSON {
    value.isFinite ? .number(JSON.text(of: value)) : .null
  }

  /// The shortest text that reads back as the same number; whole numbers without a point.
  package static func text<F: BinaryFloatingPoint & LosslessStringConvertible>(of value: F)
    -> String
  {
    let text = String(value)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  package subscript(key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  package var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  package var intValue: Int? {
    guard case .number(let text) = self else { return nil }
    return Int(text)
      ?? Rational(text).flatMap { $0.denominator == 1 ? Int(exactly: $0.numerator) : nil }
  }

  package var doubleValue: Double? {
    if case .number(let text) = self { Double(text) } else { nil }
  }

  package var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  package var items: [JSON]? {
    if case .array(let items) = self { items } else { nil }
  }

  package var members: [Member]? {
    if case .object(let members) = self { members } else { nil }
  }

  package var isNull: Bool { self == .null }

  /// The same for all spellings of a value: 0.1 and 0.10, members in any order, an object's short form.
  package var canonical: JSON {
    switch self {
    case .number(let text): Rational(text).map { .number($0.description) } ?? self
    case .array(let items): .array(items.map(\.canonical))
    case .object(let members) where members.count == 1 && members[0].key == "name":
      members[0].value.canonical
    case .object(let members):
      .object(
        members.map { Member($0.key, $0.value.canonical) }
          .sorted { Array($0.key.utf8).lexicographicallyPrecedes($1.key.utf8) })
    // A fraction of a whole is a number too.
    case .string(let text) where text.contains("/"):
      Rational(text).map { .number($0.description) } ?? self
    case .null, .bool, .string: self
    }
  }

  /// "a string", "a number", ... for error texts.
  package var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .number: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// A copy with the value at a dotted path replaced; missing objects on the way are made. A string
  /// on the way is an object's short form and becomes its `name`.
  package func setting(_ path: ArraySlice<String>, to value: JSON) -> JSON {
    guard let key = path.first else { return value }
    var members: [Member]
    switch self {
    case .object(let existing): members = existing
    case .string: members = [Member("name", self)]
    default: members = []
    }
    let rest = path.dropFirst()
    if let index = members.firstIndex(where: { $0.key == key }) {
      members[index].value = members[index].value.setting(rest, to: value)
    } else {
      members.append(Member(key, JSON.null.setting(rest, to: value)))
    }
    return .object(members)
  }
}

// MARK: - Writing

extension JSON {
  /// Compact text. `sorted` gives the canonical form that digests are taken of: keys by UTF-8 order.
  package func encoded(sorted: Bool = false) -> String {
    var out = ""
    write(to: &out, sorted: sorted, indent: nil)
    return out
  }

  /// Text for people: two spaces an indent.
  package func pretty() -> String {
    var out = ""
    write(to: &out, sorted: false, indent: 0)
    return out
  }

  private func write(to out: inout String, sorted: Bool, indent: Int?) {
    func list<T>(_ open: String, _ close: String, _ items: [T], each: (T, inout String) -> Void) {
      out += open
      let inner = indent.map { "\n" + String(repeating: "  ", count: $0 + 1) } ?? ""
      for (index, item) in items.enumerated() {
        out += index == 0 ? inner : "," + inner
        each(item, &out)
      }
      if let indent, !items.isEmpty { out += "\n" + String(repeating: "  ", count: indent) }
      out += close
    }
    let next = indent.map { $0 + 1 }
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .number(let text): out += text
    case .string(let text): JSON.quote(text, to: &out)
    case .array(let items):
      let short = items.allSatisfy { if case .array = $0 { false } else { $0.members == nil } }
      if short, indent != nil {
        out += "["
        for (index, item) in items.enumerated() {
          if index > 0 { out += ", " }
          item.write(to: &out, sorted: sorted, indent: nil)
        }
        out += "]"
      } else {
        list("[", "]", items) { $0.write(to: &$1, sorted: sorted, indent: next) }
      }
    case .object(let members):
      let ordered =
        sorted
        ? members.sorted { Array($0.key.utf8).lexicographicallyPrecedes($1.key.utf8) } : members
      list("{", "}", ordered) { member, out in
        JSON.quote(member.key, to: &out)
        out += indent == nil ? ":" : ": "
        member.value.write(to: &out, sorted: sorted, indent: next)
      }
    }
  }

  private static func quote(_ text: String, to out: inout String) {
    out += "\""
    let isPlain = text.utf8.allSatisfy {
      $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
    }
    if isPlain {
      out += text
      out += "\""
      return
    }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20:
        let hex = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .integer(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(nilLiteral: ()) { self = .null }
  package init(arrayLiteral elements: JSON...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(elements.map { Member($0.0, $0.1) })
  }
}
