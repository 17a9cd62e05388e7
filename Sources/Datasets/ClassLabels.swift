import Foundation

/// The label column of a table as class numbers. Each class has one canonical value and classes have
/// a total order, so that every process numbers them alike.
struct ClassLabels {
  /// A class number for each row.
  let labels: [Int32]
  let classes: Int

  /// `fields` are trimmed. Where all are numbers, those that are equal as numbers are one class and
  /// classes are in the order of numbers; else they are texts in the order of their scalars.
  init(_ fields: [(text: String, line: Int)], column: String, file: String) throws(DatasetError) {
    for (text, line) in fields {
      guard !text.isEmpty else { throw .damaged(file: file, reason: "line \(line) has no label") }
      guard !["nan", "+nan", "-nan"].contains(text.lowercased()) else {
        throw .damaged(
          file: file,
          reason: "line \(line): the label \"\(text)\" stands for a missing value; "
            + "remove the row or give it a class")
      }
    }
    let numbers = fields.compactMap { DecimalNumber($0.text) }
    if numbers.count == fields.count {
      let values = Set(numbers).sorted()
      guard values.allSatisfy(\.isWhole) || values.count <= 2 || 2 * values.count <= fields.count
      else {
        throw .damaged(
          file: file,
          reason: "its label column \"\(column)\" has \(values.count) different decimal numbers in "
            + "\(fields.count) rows: that is regression, and labels are classes here")
      }
      self.init(numbers, values)
    } else {
      let texts = fields.map { $0.text.precomposedStringWithCanonicalMapping }
      self.init(texts, Set(texts).sorted(by: ClassLabels.precedes))
    }
    guard classes >= 2 else {
      throw .damaged(
        file: file,
        reason: "its label column \"\(column)\" has \(classes) different values; two are the least")
    }
  }

  private init<Value: Hashable>(_ rows: [Value], _ ordered: [Value]) {
    let numbers = Dictionary(uniqueKeysWithValues: ordered.enumerated().map { ($1, Int32($0)) })
    labels = rows.map { numbers[$0] ?? 0 }
    classes = ordered.count
  }

  private static func precedes(_ a: String, _ b: String) -> Bool {
    a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars)
  }
}

/// A decimal number exactly as it is written: "0", "0.0" and "-0e5" are one.
struct DecimalNumber: Hashable, Comparable {
  private let isNegative: Bool
  /// Without zeros at either end; none of zero.
  private let digits: [UInt8]
  /// The value is 0.DIGITS times ten to this.
  private let exponent: Int

  /// Powers of ten beyond these do not stand in a table.
  private static let powers = -1_000_000...1_000_000

  /// Nil for what is no decimal number.
  init?(_ text: String) {
    var rest = Substring(text)
    func digits() -> [UInt8] {
      let found = rest.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      rest = rest[found.endIndex...]
      return Array(found)
    }
    let sign = rest.first
    if sign == "-" || sign == "+" { rest.removeFirst() }
    let whole = digits()
    var fraction: [UInt8] = []
    if rest.first == "." {
      rest.removeFirst()
      fraction = digits()
    }
    guard !(whole.isEmpty && fraction.isEmpty) else { return nil }
    var power = 0
    if rest.first == "e" || rest.first == "E" {
      guard let value = Int(rest.dropFirst()), DecimalNumber.powers.contains(value) else {
        return nil
      }
      power = value
      rest = ""
    }
    guard rest.isEmpty else { return nil }
    let all = whole + fraction
    let zeros = all.prefix { $0 == UInt8(ascii: "0") }.count
    self.digits = Array(
      all.dropFirst(zeros).reversed().drop { $0 == UInt8(ascii: "0") }.reversed())
    exponent = self.digits.isEmpty ? 0 : whole.count - zeros + power
    isNegative = sign == "-" && !self.digits.isEmpty
  }

  var isWhole: Bool { digits.count <= exponent || digits.isEmpty }

  static func < (a: DecimalNumber, b: DecimalNumber) -> Bool {
    guard a.isNegative == b.isNegative else { return a.isNegative }
    return a.isNegative ? b.isSmaller(than: a) : a.isSmaller(than: b)
  }

  /// Without the signs.
  private func isSmaller(than other: DecimalNumber) -> Bool {
    guard !digits.isEmpty, !other.digits.isEmpty else {
      return digits.isEmpty && !other.digits.isEmpty
    }
    guard exponent == other.exponent else { return exponent < other.exponent }
    return digits.lexicographicallyPrecedes(other.digits)
  }
}
