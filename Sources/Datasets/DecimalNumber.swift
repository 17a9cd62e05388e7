/// A decimal number exactly as it is written: "0", "0.0" and "-0e5" are one.
struct DecimalNumber: Hashable, Comparable, Sendable {
  private let isNegative: Bool
  /// Without zeros at either end; none of zero.
  private let digits: [UInt8]
  /// The value is 0.DIGITS times ten to this.
  private let exponent: Int

  /// Powers of ten beyond these do not stand in a table.
  private static let powers = -1_000_000...1_000_000

  /// Nil for what is no decimal number.
  init?(_ text: String, decimal: String = ".") {
    if decimal != ".", text.contains(".") { return nil }
    let plain = decimal == "." ? text : text.replacing(decimal, with: ".")
    var rest = Substring(plain)
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
