import Tables
import Testing

@Suite struct TextTableTests {
  @Test func columnsAreAligned() {
    var table = TextTable([("name", .left), ("value", .right)])
    table.add(["a", "1.5"])
    table.add(["longer", "12"])
    #expect(table.text == "name    value\na         1.5\nlonger     12")
  }

  @Test func csvQuotesAndNeverStartsAFormula() {
    var table = TextTable([("a", .left), ("b", .left)])
    table.add(["x,\"y\"", "=1+1"])
    table.add(["-3.5", "@cmd"])
    #expect(table.csv == "a,b\n\"x,\"\"y\"\"\",'=1+1\n-3.5,'@cmd\n")
  }

  @Test func controlCharactersDoNotReachATerminal() {
    #expect(printable("a\u{1B}[31mb\u{07}\n") == "a [31mb  ")
  }
}
