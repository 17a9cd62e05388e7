/// Reads JSON text (RFC 8259), with limits: what comes from a user may be hostile or cut short.

package struct JSONSyntaxError: Error, Equatable, CustomStringConvertible {
  package var line: Int
  package var column: Int
  package var message: String

  package var description: String { "line \(line), column \(column): \(message)" }
}

extension JSON {
  /// Deeper nesting than any grid file needs; it bounds the parser's recursion.
  package static let depthLimit = 64

  package init(parsing text: String) throws(JSONSyntaxError) {
    var parser = JSONParser(bytes: Array(text.utf8))
    self = try parser.document()
  }

  package init(parsing bytes: [UInt8]) throws(JSONSyntaxError) {
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
  }
}

private struct JSONParser {
  let bytes: [UInt8]
  var at = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(JSONSyntaxError) -> JSON {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
    let value = try value(depth: 0)
    skipSpace()
    try refuseComment()
    guard at == bytes.count else { throw error("something follows the end of the document") }
    return value
  }

  func error(_ message: String, at position: Int? = nil) -> JSONSyntaxError {
    let end = min(position ?? at, bytes.count)
    let before = bytes[..<end]
    let line = before.count { $0 == UInt8(ascii: "\n") } + 1
    let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    return JSONSyntaxError(line: line, column: end - start + 1, message: message)
  }

  var next: UInt8? { at < bytes.count ? bytes[at] : nil }

  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at += 1 }
  }

  /// Between tokens; `#` and `//` stand nowhere else.
  func refuseComment() throws(JSONSyntaxError) {
    if next == UInt8(ascii: "#") || next == UInt8(ascii: "/") {
      throw error("JSON has no comments; \"description\" takes a text")
    }
  }

  mutating func value(depth: Int) throws(JSONSyntaxError) -> JSON {
    guard depth <= JSON.depthLimit else { throw error("nested deeper than \(JSON.depthLimit)") }
    skipSpace()
    try refuseComment()
    guard let byte = next else { throw error("the text ends where a value is expected") }
    switch byte {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw error("found '\(Character(UnicodeScalar(byte)))' where a value is expected")
    }
  }

  mutating func word(_ text: String, _ value: JSON) throws(JSONSyntaxError) -> JSON {
    guard bytes[at...].starts(with: text.utf8) else { throw error("a value is misspelt: \(text)?") }
    at += text.utf8.count
    return value
  }

  mutating func object(depth: Int) throws(JSONSyntaxError) -> JSON {
    at += 1
    var members: [JSON.Member] = []
    var keys: Set<String> = []
    skipSpace()
    if next == UInt8(ascii: "}") {
      at += 1
      return .object([])
    }
    while true {
      skipSpace()
      try refuseComment()
      guard next == UInt8(ascii: "\"") else { throw error("expected a key in double quotes") }
      let keyStart = at
      let key = try string()
      guard keys.insert(key).inserted else {
        throw error("key \"\(shortened(key, to: 60))\" is given twice", at: keyStart)
      }
      skipSpace()
      guard next == UInt8(ascii: ":") else {
        throw error("expected ':' after the key \"\(shortened(key, to: 60))\"")
      }
      at += 1
      members.append(JSON.Member(key, try value(depth: depth + 1)))
      skipSpace()
      switch next {
      case UInt8(ascii: ","): at += 1
      case UInt8(ascii: "}"):
        at += 1
        return .object(members)
      default:
        try refuseComment()
        throw error("expected ',' or '}' in an object")
      }
    }
  }

  mutating func array(depth: Int) throws(JSONSyntaxError) -> JSON {
    at += 1
    var items: [JSON] = []
    skipSpace()
    if next == UInt8(ascii: "]") {
      at += 1
      return .array([])
    }
    while true {
      items.append(try value(depth: depth + 1))
      skipSpace()
      switch next {
      case UInt8(ascii: ","): at += 1
      case UInt8(ascii: "]"):
        at += 1
        return .array(items)
      default:
        try refuseComment()
        throw error("expected ',' or ']' in a list")
      }
    }
  }

  mutating func number() throws(JSONSyntaxError) -> JSON {
    let start = at
    func digits(_ parser: inout JSONParser) -> Int {
      let from = parser.at
      while let byte = parser.next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
        parser.at += 1
      }
      return parser.at - from
    }
    if next == UInt8(ascii: "-") { at += 1 }
    let leadingZero = next == UInt8(ascii: "0")
    let whole = digits(&self)
    guard whole > 0, !(leadingZero && whole > 1) else { throw error("not a number", at: start) }
    if next == UInt8(ascii: ".") {
      at += 1
      guard digits(&self) > 0 else { throw error("a digit must follow the point") }
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      at += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
      guard digits(&self) > 0 else { throw error("a digit must follow the exponent's sign") }
    }
    return .number(String(decoding: bytes[start..<at], as: UTF8.self))
  }

  mutating func string() throws(JSONSyntaxError) -> String {
    let start = at
    at += 1
    func text(_ bytes: some Sequence<UInt8>) throws(JSONSyntaxError) -> String {
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw error("a string is not valid UTF-8", at: start)
      }
      return text
    }
    // Most are written as they are.
    while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
      at += 1
    }
    let plain = bytes[(start + 1)..<at]
    if next == UInt8(ascii: "\"") {
      at += 1
      return try text(plain)
    }
    var out = Array(plain)
    while let byte = next {
      at += 1
      switch byte {
      case UInt8(ascii: "\""): return try text(out)
      case UInt8(ascii: "\\"): try escape(into: &out)
      case 0..<0x20: throw error("a control character in a string; write it as \\u00XX", at: at - 1)
      default: out.append(byte)
      }
    }
    throw error("a string is not closed", at: start)
  }

  private mutating func escape(into out: inout [UInt8]) throws(JSONSyntaxError) {
    guard let byte = next else { throw error("the text ends inside a string") }
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0C)
    case UInt8(ascii: "n"): out.append(0x0A)
    case UInt8(ascii: "r"): out.append(0x0D)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "u"):
      var unit = try hex4()
      if (0xD800..<0xDC00).contains(unit) {
        guard bytes[at...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) else {
          throw error("half of a surrogate pair in a string")
        }
        at += 2
        let low = try hex4()
        guard (0xDC00..<0xE000).contains(low) else { throw error("a broken surrogate pair") }
        unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = UnicodeScalar(unit) else { throw error("half of a surrogate pair") }
      out.append(contentsOf: Array(String(Character(scalar)).utf8))
    default: throw error("an unknown escape in a string", at: at - 1)
    }
  }

  private mutating func hex4() throws(JSONSyntaxError) -> UInt32 {
    guard at + 4 <= bytes.count,
      let text = String(validating: bytes[at..<at + 4], as: UTF8.self),
      text.allSatisfy(\.isHexDigit), let unit = UInt32(text, radix: 16)
    else { throw error("four hexadecimal digits must follow \\u") }
    at += 4
    return unit
  }
}
