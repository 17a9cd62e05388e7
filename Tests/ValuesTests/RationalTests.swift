import Testing
import Values

@Suite struct RationalTests {
  @Test(arguments: [
    ("0.1", "1/10"), ("5e-4", "1/2000"), ("-3", "-3"), ("1/3", "1/3"), ("0.10", "1/10"),
    ("2/4", "1/2"), ("1e2", "100"),
  ])
  func textsAreReadExactly(_ text: String, _ value: String) {
    #expect(Rational(text)?.description == value)
  }

  @Test(arguments: ["", "x", "1/0", "1/2/3", "1e99999", "0x10", "1e40", "--1", "1/", "/2"])
  func otherTextsAreNone(_ text: String) { #expect(Rational(text) == nil) }

  /// Half of Int128's range fits, twice it does not: arithmetic says so instead of wrapping.
  @Test func whatDoesNotFitIsNil() throws {
    let large = try #require(Rational("99999999999999999999999999999999999999"))
    #expect(large.multiplying(by: large) == nil)
    #expect(large.dividing(by: large) == .one)
    #expect(large.rounded == .max)
    #expect(large > .one)
  }

  @Test func wholeNumbersAreNearestOrTheEndOfTheRange() {
    #expect(Int(nearest: 2.5) == 3)
    #expect(Int(nearest: -2.5) == -3)
    #expect(Int(nearest: .nan) == 0)
    #expect(Int(nearest: 1e300) == .max)
    #expect(Int(nearest: -.infinity) == .min)
  }
}
