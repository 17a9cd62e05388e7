import Datasets
import Experiments
import TestSupport
import Testing
import Values

private let valid = """
  {"name": "g", "dataset": "fashion-mnist", "network": "cnn", "epochs": 3,
   "optimizer": {"name": "momentum", "learning_rate": 0.1},
   "batch": {"size": 128, "ghost": 128},
   "schedule": {"name": "decay", "drops": {"epochs": [1, 2], "factor": 5}}
  """

private func problems(_ rest: String) -> [String] {
  do {
    _ = try plan(JSON(parsing: rest))
    return []
  } catch let error as InvalidDocument {
    return error.problems.map(\.description)
  } catch {
    return ["\(error)"]
  }
}

@Suite struct GridFileTests {
  @Test func runsAreNamedByTheirAxesInFileOrder() throws {
    let grid = try Grid(
      parsing: valid
        + #", "grid": {"optimizer.learning_rate": [0.1, 0.40], "schedule.name": ["hybrid"]}}"#)
    #expect(
      grid.runs.map(\.name) == [
        "learning_rate=0.1,schedule=hybrid,seed=1", "learning_rate=0.40,schedule=hybrid,seed=1",
      ])
  }

  /// Reports look for the rate by its label.
  @Test func onlyTheRunsOwnRateIsCalledLearningRate() throws {
    let scaled = valid.replacing(
      "\"size\": 128", with: "\"scaling\": {\"learning_rate\": 0.1, \"size\": 128}")
    let grid = try Grid(
      parsing: scaled
        + #", "grid": {"optimizer.learning_rate": [0.2], "batch.scaling.learning_rate": [0.1]}}"#)
    #expect(
      grid.runs.map(\.name) == ["learning_rate=0.2,batch.scaling.learning_rate=0.1,seed=1"])
    let alone = try Grid(parsing: scaled + #", "grid": {"batch.scaling.learning_rate": [0.1]}}"#)
    #expect(alone.runs.map(\.name) == ["batch.scaling.learning_rate=0.1,seed=1"])
  }

  @Test func aTypoIsAnsweredWithTheNearestName() {
    let text = valid.replacing("\"momentum\"", with: "\"momentun\"") + #", "shedule": 1}"#
    let found = problems(text)
    #expect(found.count == 2)
    #expect(
      found.contains { $0.hasPrefix("optimizer.name") && $0.contains("did you mean \"momentum\"") }
    )
    #expect(found.contains { $0.hasPrefix("shedule") && $0.contains("did you mean \"schedule\"") })
  }

  @Test func aMisspeltAxisIsAnsweredWithTheNearestName() {
    let found = problems(valid + #", "grid": {"optimizer.learning_rat": [0.1]}}"#)
    #expect(found.count == 1)
    #expect(found[0].contains("did you mean \"learning_rate\""))
  }

  @Test func aBatchBetweenMultiplesNamesItsNeighbours() {
    let found = problems(valid.replacing("\"size\": 128", with: "\"size\": 200") + "}")
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("batch.size") && found[0].contains("128 and 256"))
  }

  @Test func aBatchLargerThanTheDataIsRefused() {
    let found = problems(valid.replacing("\"size\": 128", with: "\"size\": 64000") + "}")
    #expect(found.contains { $0.contains("larger than the 60000 training samples") })
  }

  @Test(arguments: [
    ("\"name\": \"g\"", "\"name\": \"g`h\"", "name"),
    ("\"epochs\": 3", "\"epochs\": 0", "epochs"),
    ("\"factor\": 5", "\"factor\": 1", "schedule.drops.factor"),
    ("\"learning_rate\": 0.1", "\"learning_rate\": -1", "optimizer.learning_rate"),
    ("\"cnn\"", "\"wrn-17-4\"", "network"),
    ("[1, 2]", "[2, 1]", "schedule.drops.epochs[1]"),
    ("[1, 2]", "[1, 3]", "schedule.drops.epochs[1]"),
    ("\"fashion-mnist\"", #"{"name": "csv", "path": "../secret.csv"}"#, "dataset.path"),
    ("\"fashion-mnist\"", #"{"name": "csv", "path": "/etc/passwd"}"#, "dataset.path"),
    (
      "\"fashion-mnist\"", #"{"name": "synthetic", "train": 4611686018427387904}"#, "dataset.train"
    ),
    ("\"decay\"", "\"hybrid\", \"curve\": {\"shape\": \"cosine\"}", "schedule.curve"),
  ])
  func badInputIsToldWithItsPath(old: String, new: String, path: String) {
    let found = problems(valid.replacing(old, with: new) + "}")
    #expect(!found.isEmpty)
    #expect(found.allSatisfy { $0.hasPrefix("schedule") || $0.hasPrefix(path) })
    #expect(found.contains { $0.hasPrefix(path + ":") })
  }

  @Test func brokenJSONIsToldWithLineAndColumn() {
    #expect(
      problems("{\n  \"name\": }") == ["line 2, column 11: found '}' where a value is expected"])
  }

  @Test func contentDigestsDoNotDependOnSpacingOrOrder() throws {
    let grid = try Grid(parsing: valid + "}")
    let members = try #require(grid.document.members)
    let turned = try Grid(document: .object(members.reversed()))
    #expect(turned.contentDigest == grid.contentDigest)
  }

  @Test func shortFormsAndObjectsMixWithAxes() throws {
    let grid = try Grid(parsing: valid + #", "grid": {"dataset.validation": [0, 5000]}}"#)
    #expect(grid.settings.map { $0.spec.training.dataset.validation } == [0, 5000])
  }

  @Test func filesThatNestTooDeepOrSpanTooManyRunsAreRefused() {
    let deep = String(repeating: "[", count: 70) + String(repeating: "]", count: 70)
    #expect {
      _ = try Grid(parsing: "{\"name\": \"g\", \"grid\": \(deep)}")
    } throws: {
      "\($0)".contains("nested deeper than 64")
    }
    let axis = "[\((1...1001).map(String.init).joined(separator: ","))]"
    #expect {
      _ = try Grid(
        parsing: "{\"name\": \"g\", \"seeds\": \(axis), \"grid\": {\"epochs\": \(axis)}}")
    } throws: {
      "\($0)".contains("span more than 1000000 runs")
    }
  }
}
