/// Exact fractions for schedules: a learning rate divided by 5 twice is the one divided by 25.

package struct Rational: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let numerator: Int128
  /// Above 0, and coprime to the numerator.
  package let denominator: Int128

  package static let one = Rational(1)
  package static let zero = Rational(0)

  package init(_ value: Int) {
    numerator = Int128(value)
    denominator = 1
  }

  /// Nil when the reduced fraction does not fit in 128 bits, or when the denominator is 0.
  init?(_ numerator: (Int128, overflow: Bool), over denominator: (Int128, overflow: Bool)) {
    // The least number has no magnitude in its own type.
    guard !numerator.overflow, !denominator.overflow, denominator.0 != 0,
      numerator.0 != .min, denominator.0 != .min
    else { return nil }
    let sign: Int128 = denominator.0 < 0 ? -1 : 1
    let divisor = Rational.gcd(numerator.0.magnitude, denominator.0.magnitude)
    self.numerator = sign * numerator.0 / Int128(divisor)
    self.denominator = sign * denominator.0 / Int128(divisor)
  }

  package init?(_ numerator: Int, over denominator: Int) {
    self.init((Int128(numerator), false), over: (Int128(denominator), false))
  }

  /// Powers of ten that a number is written with, at most: more do not fit in 128 bits.
  static let mostPlaces = 38

  /// Reads "0.1", "5e-4", "-3" or "1/3" exactly.
  package init?(_ text: String) {
    // Two numbers of 38 digits are shorter, and have one line between them.
    guard text.utf8.count <= 200, text.utf8.count(where: { $0 == UInt8(ascii: "/") }) <= 1 else {
      return nil
    }
    if let slash = text.firstIndex(of: "/") {
      guard let top = Rational(String(text[..<slash])),
        let bottom = Rational(String(text[text.index(after: slash)...])),
        let quotient = top.dividing(by: bottom)
      else { return nil }
      self = quotient
      return
    }
    let parts = text.lowercased().split(separator: "e", omittingEmptySubsequences: false)
    guard parts.count <= 2, let mantissa = parts.first else { return nil }
    let point = mantissa.split(separator: ".", omittingEmptySubsequences: false)
    guard point.count <= 2, let digits = Int128(point.joined()) else { return nil }
    let places = point.count == 2 ? point[1].count : 0
    guard let exponent = parts.count == 2 ? Int(parts[1]) : 0, (-100...100).contains(exponent)
    else {
      return nil
    }
    let shift = exponent - places
    guard abs(shift) <= Rational.mostPlaces else { return nil }
    let power = (0..<abs(shift)).reduce(Int128(1)) { result, _ in result * 10 }
    self.init(
      shift > 0 ? Rational.times(digits, power) : (digits, false),
      over: shift < 0 ? (power, false) : (1, false))
  }

  package func multiplying(by other: Rational) -> Rational? {
    // Reducing crosswise first keeps the products as small as the result.
    let left = Rational.gcd(numerator.magnitude, other.denominator.magnitude)
    let right = Rational.gcd(other.numerator.magnitude, denominator.magnitude)
    let (a, d) = (numerator / Int128(max(left, 1)), other.denominator / Int128(max(left, 1)))
    let (c, b) = (other.numerator / Int128(max(right, 1)), denominator / Int128(max(right, 1)))
    return Rational(Rational.times(a, c), over: Rational.times(b, d))
  }

  package func dividing(by other: Rational) -> Rational? {
    guard let inverse = Rational((other.denominator, false), over: (other.numerator, false)) else {
      return nil
    }
    return multiplying(by: inverse)
  }

  package static func < (left: Rational, right: Rational) -> Bool {
    let (a, first) = Rational.times(left.numerator, right.denominator)
    let (b, second) = Rational.times(right.numerator, left.denominator)
    return first || second ? left.double < right.double : a < b
  }

  package var double: Double { Double(numerator) / Double(denominator) }

  /// Rounded once to single precision: a quotient of two doubles below 2^53 rounds to the same
  /// float as the exact quotient does, since 53 >= 2 * 24 + 2.
  package var float: Float { Float(double) }

  /// The nearest whole number, halves away from zero; the end of the range where it lies beyond.
  package var rounded: Int { Int(nearest: double) }

  /// The largest whole number not above; the end of the range where it lies beyond.
  package var floor: Int {
    let (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: denominator)
    return Int(clamping: remainder < 0 ? quotient - 1 : quotient)
  }

  package var description: String {
    denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)"
  }

  private static func times(_ a: Int128, _ b: Int128) -> (Int128, overflow: Bool) {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    return (product, overflow)
  }

  private static func gcd(_ a: UInt128, _ b: UInt128) -> UInt128 {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return max(a, 1)
  }
}

extension Int {
  /// The nearest whole number, halves away from zero; the end of the range where it lies beyond, and 0
  /// of what is no number.
  package init(nearest value: Double) {
    let whole = value.rounded()
    self = Int(exactly: whole) ?? (whole.isNaN ? 0 : whole < 0 ? .min : .max)
  }
}
