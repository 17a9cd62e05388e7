import Datasets
import Experiments
import Foundation
import TestSupport
import Testing
import Values

/// Mistakes that people type are told once, with what is meant.
@Suite struct MessageTests {
  private func problems(_ text: String) -> [Problem] {
    do {
      _ = try Plan(Grid(parsing: text)) { spec throws(InvalidDocument) in
        guard let facts = spec.publishedFacts else {
          throw InvalidDocument([Problem("dataset", "?")])
        }
        return facts
      }
    } catch { return error.problems }
    return []
  }

  private func problems(changing changes: [(String, JSON)]) -> [String] {
    problems(smallGrid("g", changing: [("grid", [:])] + changes).encoded()).map(\.description)
  }

  @Test(arguments: [
    ("name: g\nepochs: 3\n", "this is not JSON: it begins with \"name: g\""),
    ("- a\n- b\n", "YAML is not read"),
    ("// a comment\n{}", "JSON has no comments"), ("{ # a comment\n}", "JSON has no comments"),
    ("{\"name\": \"g\", // why\n \"epochs\": 1}", "JSON has no comments"),
    ("{\"name\": \"g\",}", "expected a key"), ("", "the text ends"),
  ])
  func textThatIsNoJSON(text: String, part: String) {
    let found = problems(text).map(\.description)
    #expect(found.count == 1 && found[0].contains(part), "\(found)")
  }

  @Test func aKeyUnderAnotherNameIsToldOnce() {
    let optimizer: JSON = ["name": "momentum", "lr": .number("0.1")]
    let found = problems(changing: [("optimizer", optimizer)])
    #expect(found.count == 1, "\(found)")
    #expect(found.first?.contains("did you mean \"learning_rate\"") == true)
    let misplaced = problems(changing: [("learning_rate", .number("0.1"))])
    #expect(misplaced.first?.contains("did you mean \"optimizer.learning_rate\"") == true)
  }

  private static let mistaken: [(path: String, value: JSON, part: String)] = [
    ("schedule", "cosine", "\"curve\": { \"shape\": \"cosine\" }"),
    ("schedule.name", "linear", "\"curve\": { \"shape\": \"polynomial\" }"),
    ("schedule", "step", "\"drops\""),
    ("optimizer.learning_rate", [.number("0.1"), .number("0.2")], "go into \"grid\""),
    ("grid", ["optimizer.learning_rate": []], "found an empty list"),
    ("optimizer.learning_rate", .number("1e+38"), "at most 1000000000"),
    ("optimizer.learning_rate", .number("1e-39"), "numbers are kept exactly"),
    ("dataset.height", 5000, "from 1 to 1024"),
    ("seeds", [.number("100000000000000000000")], "from 0 to 9007199254740992"),
    ("seeds", "10-1", "a range such as"),
    ("batch.maximum", .number("-1e20"), "allowed"),
    ("name", "123", "digits alone"),
    ("dataset.validation", 480, "leaves none of the 480"),
    ("schedule.drops.epochs", .array((0..<101).map(JSON.integer)), "a list of 101"),
    (
      "schedule",
      ["name": "increase", "curve": ["shape": "cosine", "factor": .number("1.0000001")]],
      "more than 100 times"
    ),
  ]

  @Test(arguments: mistaken)
  func valuesThatAreNotWhatIsMeant(path: String, value: JSON, part: String) {
    let found = problems(changing: [(path, value)])
    #expect(found.count == 1 && found.first?.contains(part) == true, "\(found)")
  }

  @Test func aRunHasAnUpdate() {
    let found = problems(changing: [("schedule", "constant"), ("epochs", .number("0.0001"))])
    #expect(found.count == 1 && found[0].contains("a run has one update at least"), "\(found)")
    #expect(problems(changing: [("schedule", "constant"), ("epochs", .number("0.01"))]).isEmpty)
  }

  @Test func seedsMayBeARange() throws {
    let document = smallGrid("g", changing: [("seeds", "3-7"), ("grid", [:])])
    #expect(try Grid(document: document).seeds == [3, 4, 5, 6, 7])
  }

  @Test(arguments: [
    ("grid.optimizer.learning_rate", ["0.1", "0.10"]),
    ("grid.optimizer.learning_rate", ["1", "1e0"]),
    ("grid.epochs", ["1", "2", "1.0"]),
  ])
  func aValueThatStandsTwiceIsRefusedHoweverItIsSpelled(path: String, values: [String]) {
    let axis = String(path.dropFirst(5))
    let grid = JSON.object([.init(axis, .array(values.map(JSON.number)))])
    let found = problems(changing: [("grid", grid)])
    #expect(found.count == 1 && found[0].contains("is the same as number 0"), "\(found)")
  }

  @Test func pointsOfAZipThatAreTheSameAreRefused() {
    let zip: JSON = [
      "optimizer.learning_rate": [.number("0.1"), .number("0.2"), .number("0.10")],
      "batch.size": [32, 64, 32],
    ]
    let found = problems(changing: [("zip", zip)])
    #expect(found.count == 1 && found[0].contains("zip[2]"), "\(found)")
  }

  /// The data's seed beside the run's.
  @Test func anAxisOverTheDatasSeedIsToldFromTheRunsSeed() throws {
    let document = smallGrid("g", changing: [("grid", ["dataset.seed": [1, 2]])])
    let grid = try Grid(document: document)
    #expect(grid.runs.map(\.name) == ["dataset.seed=1,seed=1", "dataset.seed=2,seed=1"])
  }

  @Test func manyRunsWithNamesThatAreTooLongAreOneProblem() {
    let variants = JSON.object(
      (0..<60).map { .init("v\($0)", ["dataset.noise": .integer($0 + 1)]) })
    let hidden = JSON.array(
      (0..<40).map { .array((0..<63).map { _ in .integer(65_000) } + [.integer($0 + 1)]) })
    let found = problems(changing: [
      ("network", ["name": "mlp"]), ("grid", ["network.hidden": hidden]), ("variants", variants),
    ])
    #expect(found.count == 1, "\(found.count)")
    #expect(found.first?.contains("at most 400") == true)
    #expect(found.first?.contains("more like it") == true)
  }

  @Test func aNameOfFourHundredBytesIsAllowed() throws {
    let hidden = JSON.array([
      .array((0..<60).map { _ in 1000 }), .array((0..<59).map { _ in 1000 }),
    ])
    let document = smallGrid(
      "g", changing: [("network", ["name": "mlp"]), ("grid", ["network.hidden": hidden])])
    let longest = try Grid(document: document).runs.map(\.name.utf8.count).max() ?? 0
    #expect(longest > 300 && longest <= 400)
  }

  @Test func messagesAreShortHoweverLongTheInput() {
    let long = String(repeating: "9", count: 1 << 20)
    for text in [
      "{\"name\": \"\(long)\"}", "{\"\(long)\": 1}", "{\"name\": \"g\", \"epochs\": \(long)}",
      "{\"a\": 1, \"a\": 1}", String(repeating: "[", count: 1000), long,
    ] {
      do { _ = try Grid(parsing: text) } catch { #expect(error.description.utf8.count < 4096) }
    }
  }
}
