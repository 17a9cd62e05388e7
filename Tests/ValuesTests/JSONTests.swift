import Testing
import Values

@Suite struct JSONTests {
  @Test func keysKeepTheirOrderAndNumbersTheirText() throws {
    let text = #"{"b":0.10,"a":[1e3,true,null,"\u00e9\n"]}"#
    let node = try JSON(parsing: text)
    #expect(node.encoded() == #"{"b":0.10,"a":[1e3,true,null,"é\n"]}"#)
    #expect(node.encoded(sorted: true) == #"{"a":[1e3,true,null,"é\n"],"b":0.10}"#)
    #expect(try JSON(parsing: node.pretty()) == node)
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,}", "01", "1.", "+1", "nul", "\"\\q\"", "[1] 2", "{\"a\" 1}", "\"a",
    "// no", "{\"a\":1,\"a\":2}",
  ])
  func whatIsNoJSONIsAnError(_ text: String) {
    #expect(throws: JSONSyntaxError.self) { try JSON(parsing: text) }
  }

  @Test func deepNestingIsAnErrorAndNoTrap() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: JSONSyntaxError.self) { try JSON(parsing: deep) }
  }

  @Test func spellingsOfAValueHaveOneCanonicalForm() throws {
    for (one, other) in [
      ("0.1", "0.10"), (#"{"a":1,"b":2}"#, #"{"b":2,"a":1.0}"#), (#"{"name":"cnn"}"#, #""cnn""#),
      (#""1/2""#, "0.5"),
    ] {
      #expect(try JSON(parsing: one).canonical == JSON(parsing: other).canonical)
    }
  }
}
