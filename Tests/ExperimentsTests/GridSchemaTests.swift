import Datasets
import Experiments
import Foundation
import TestSupport
import Testing
import Values

@Suite struct GridSchemaTests {
  @Test(.enabled(if: PythonTools.areInstalled, "ops/test-tools installs jsonschema"))
  func everyExampleFitsTheSchemaAndMistakesDoNot() async throws {
    let folder = try TemporaryFolder()
    let schema = folder.path + "/schema.json"
    try Grid.schema.pretty().write(toFile: schema, atomically: true, encoding: .utf8)
    let script = """
      import glob, json, sys
      from jsonschema import Draft202012Validator
      schema = json.load(open(sys.argv[1]))
      Draft202012Validator.check_schema(schema)
      validator = Draft202012Validator(schema)
      files = sorted(glob.glob(sys.argv[2] + "/**/*.json", recursive=True))
      assert len(files) >= 8, files
      for file in files:
          validator.validate(json.load(open(file)))
      for mistake in ({}, {"name": "a b"}, {"name": "g", "epochs": -1}, {"name": "g", "shedule": 1},
                      {"name": "g", "network": "wrn"}, {"name": "g", "batch": {"maximum": "N/0"}}):
          assert not validator.is_valid(mistake), mistake
      print(len(files))
      """
    let output = try await PythonTools.run(
      script, [schema, repository.appending(path: "examples").path])
    #expect(Int(output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0 >= 8)
  }

  @Test func everyExampleIsReadWithoutProblems() throws {
    let folder = repository.appending(path: "examples")
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".json") }
    #expect(files.count >= 15)
    for file in files {
      let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
      let grid = try Grid(parsing: text)
      // What a CSV file holds is known where it is only.
      if grid.settings.allSatisfy({ $0.spec.training.dataset.publishedFacts != nil }) {
        _ = try plan(JSON(parsing: text))
      }
    }
  }
}
