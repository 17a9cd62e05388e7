import Testing

/// The rules find what they are for, and nothing else.
@Suite struct RulesTests {
  private func lines(_ text: String) -> [Substring] {
    text.split(separator: "\n", omittingEmptySubsequences: false)
  }

  @Test func functionsOfMoreThanSixtyLinesAreFound() {
    func function(_ count: Int) -> String {
      (["  func f() {"] + Array(repeating: "    g()", count: count - 2) + ["  }"])
        .joined(separator: "\n")
    }
    #expect(Rules.longFunctions(lines(function(60))) == [])
    #expect(
      Rules.longFunctions(lines("struct S {\n" + function(61) + "\n}"))
        == [.init(line: 2, what: "func f has 61 lines")])
    let short = "  func g() { h() }\n" + function(61).replacing("func f", with: "var f")
    #expect(Rules.longFunctions(lines(short)) == [])
    let required = "protocol P {\n  func h()\n}\nstruct S {\n" + function(60) + "\n}"
    #expect(Rules.longFunctions(lines(required)) == [])
    #expect(Rules.longFunctions(lines("  var x: Int { 1 }\n  func g() { h() }")) == [])
  }

  @Test func discardedErrorsNeedAReason() {
    #expect(Rules.discardedErrors(lines("  _ = try? save()")).map(\.line) == [1])
    #expect(Rules.discardedErrors(lines("  try? save()")).map(\.line) == [1])
    #expect(Rules.discardedErrors(lines("  // It may be gone.\n  _ = try? save()")) == [])
    #expect(Rules.discardedErrors(lines("  let x = try? read()")) == [])
    #expect(Rules.discardedErrors(lines("  try? await Task.sleep(for: .seconds(1))")) == [])
  }

  @Test func statementsLongerThanACallAreFound() {
    func statement(_ count: Int) -> String {
      "q(\n  \"\"\"\n" + "  select a\n" + String(repeating: "  , b\n", count: count - 1)
        + "  \"\"\")"
    }
    #expect(Rules.longStatements(lines(statement(8))) == [])
    #expect(
      Rules.longStatements(lines(statement(9)))
        == [.init(line: 2, what: "a statement of 9 lines")])
    #expect(
      Rules.longStatements(
        lines("let t = \"\"\"\n" + String(repeating: "x\n", count: 20) + "\"\"\"")) == [])
  }

  @Test func aFileBeginsWithASentence() {
    #expect(Rules.hasDoor(lines("import Foundation\n\n/// Reads.\nstruct S {}")))
    #expect(!Rules.hasDoor(lines("import Foundation\n\nstruct S {}\n/// Later.")))
  }

  @Test func whatIsDeclaredAndNeverUsedIsFound() {
    let one = lines("package struct Used {\n  let lonely = 1 // lonely\n}")
    let two = lines("func main() { _ = Used() }\nlet x = main")
    #expect(
      Rules.unusedDeclarations([("a", one), ("b", two)]) == ["a lonely", "b x"])
  }
}
