import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// What a user sees at the command line.
@Suite struct CommandTests {
  private let examples = repository.appending(path: "examples").path

  @Test func planNeedsNoDatabaseAndPrintsTheDocumentedJSON() async throws {
    let result = try await Program.run(["plan", "\(examples)/section-5.2.json", "--json"])
    #expect(result.status == 0)
    let plan = try JSON(parsing: result.output)
    #expect(plan["grid"]?.stringValue == "section-5.2")
    let stage = try #require(plan["runs"]?.items?.first?["stages"]?.items?.first)
    let keys = [
      "digest", "batch", "ghost", "learning_rate", "learning_rate_end", "law", "momentum",
      "noise_scale", "noise_scale_exact", "samples", "updates", "epochs",
    ]
    #expect(stage.members?.map(\.key) == keys)
    #expect(stage["digest"]?.isNull == true)
    #expect(plan["totals"]?["unique_stages"]?.intValue != nil)
  }

  @Test func everyErrorOfAGridFileIsToldAtOnce() async throws {
    let text = #"{"name": "a b", "dataset": "fasion-mnist", "network": "cnn", "epochs": -1}"#
    let result = try await Program.run(["plan", "-"], input: text)
    #expect(result.status == 65)
    for part in ["name:", "did you mean \"fashion-mnist\";", "epochs:"] {
      #expect(result.error.contains(part), "\(part) in \(result.error)")
    }
  }

  @Test func soundSectionsAreJudgedBesideBrokenOnes() async throws {
    let grid = smallGrid(
      "g",
      changing: [
        ("network", "cmn"), ("batch.size", 200), ("batch.ghost", 128),
        ("schedule.drops.epochs", [2, 1]), ("optimizer.beta1", .number("0.9")),
      ])
    let result = try await Program.run(["plan", "-"], input: grid.encoded())
    #expect(result.status == 65)
    for part in ["network:", "batch.size:", "schedule.drops", "optimizer.beta1:"] {
      #expect(result.error.contains(part), "\(part) in \(result.error)")
    }
  }

  @Test func aFileThatCannotBeReadIsNamedWithTheReason() async throws {
    for file in ["/nonexistent.json", "/tmp"] {
      let result = try await Program.run(["plan", file])
      #expect(result.status == 1)
      #expect(result.error.contains("cannot read \(file)"))
    }
  }

  @Test func anAddressThatCannotBeReadIsNotRepeated() async throws {
    for address in ["postgres://me:secret@[::1/db", "host=h sslpassword=secret"] {
      let result = try await Program.run(["list", "--database", address])
      #expect(result.status == 64)
      #expect(!result.error.contains("secret"))
    }
  }

  @Test func aNameWithABacktickIsRefused() async throws {
    let grid = smallGrid("g", changing: [("name", "a`id`")])
    let result = try await Program.run(["plan", "-"], input: grid.encoded())
    #expect(result.status == 65)
  }

  @Test func aPathThatLeavesTheDataFolderIsRefused() async throws {
    let grid = smallGrid("g", changing: [("dataset", ["name": "csv", "path": "../../etc/passwd"])])
    let result = try await Program.run(["plan", "-"], input: grid.encoded())
    #expect(result.status == 65)
    #expect(result.error.contains("inside a data folder"))
  }

  @Test func aPasswordInAnArgumentIsRefusedAndNotRepeated() async throws {
    let result = try await Program.run(["list", "--database", "postgresql://me:secret@host/db"])
    #expect(result.status == 64)
    #expect(!result.error.contains("secret"))
    #expect(result.error.contains("PGPASSFILE"))
  }

  @Test func withoutADatabaseItSaysSo() async throws {
    let result = try await Program.run(["list"], database: "host=/nonexistent dbname=x")
    #expect(result.status == 69)
    #expect(result.error.contains("cannot connect"))
  }

  @Test func anOldSchemaIsRefusedWithTheCommandToRun() async throws {
    let target = try await TestCluster.database().string
    let refused = try await Program.run(["list"], database: target)
    #expect(refused.status == 78)
    #expect(refused.error.contains("jobctl migrate"))
    #expect(try await Program.run(["migrate"], database: target).status == 0)
    #expect(try await Program.run(["list"], database: target).status == 0)
  }

  @Test func whatCannotBeTrainedIsPlannedButNotSubmitted() async throws {
    let target = try await TestCluster.queue().database.target.string
    let file = "\(examples)/section-5.3.json"
    #expect(try await Program.run(["plan", file]).status == 0)
    let refused = try await Program.run(["submit", file], database: target)
    #expect(refused.status == 65)
    #expect(refused.error.contains("data set imagenet are not here"))
  }

  @Test func submitListShowCancelRetryDeleteAndWait() async throws {
    let target = try await TestCluster.queue().database.target.string
    func run(_ arguments: String..., input: String = "") async throws -> Program.Result {
      try await Program.run(arguments, database: target, input: input)
    }
    let text = smallGrid("g").encoded()
    #expect(try await run("submit", "-", "--dry-run", input: text).status == 0)
    #expect(try await run("list").output.contains("No grids yet"))
    let submitted = try await run("submit", "-", "--json", input: text)
    #expect(try JSON(parsing: submitted.output)["stages"]?["created"]?.intValue == 6)
    #expect(try await run("list").output.contains("g"))
    #expect(try await run("show", "g").output.contains("schedule=hybrid,seed=1"))
    #expect(try await run("show", "h").error.contains("did you mean \"g\""))
    let shown = try await run("show", "g", "schedule=decay,seed=1", "--json")
    #expect(try JSON(parsing: shown.output)["stages"]?.items?.count == 3)
    #expect(try await run("wait", "g", "--timeout", "0.1").status == 6)
    #expect(try await run("cancel", "g").status == 0)
    #expect(try await run("wait", "g").status == 5)
    #expect(try await run("retry", "g").output.contains("6 stages"))
    #expect(try await run("delete", "g").output.contains("Add --yes"))
    #expect(try await run("delete", "g", "--yes").status == 0)
    #expect(try await run("show", "g").status == 1)
  }

  @Test func theREADMEsGridFileAndCommandsAreRight() async throws {
    let text = try String(contentsOf: repository.appending(path: "README.md"), encoding: .utf8)
    func blocks(_ kind: String) -> [String] {
      text.components(separatedBy: "```\(kind)\n").dropFirst()
        .compactMap { $0.components(separatedBy: "```").first }
    }
    let grids = blocks("json")
    #expect(grids.count == 1)
    for grid in grids {
      let result = try await Program.run(["plan", "-"], input: grid)
      #expect(result.status == 0, "\(result.error)")
      #expect(result.output.contains("12 runs"))
    }
    let lines = blocks("sh").flatMap { $0.split(separator: "\n") }
    let commands = lines.filter { $0.hasPrefix("jobctl ") }
    #expect(commands.count >= 5)
    for line in commands {
      // The options of each are in its help.
      let words = line.prefix { $0 != "#" }.split(separator: " ").map(String.init)
      let help = try await Program.run([words[1], "--help"]).output
      for word in words where word.hasPrefix("--") {
        #expect(help.contains(word), "\(word) of \(line)")
      }
    }
    let makefile = try String(
      contentsOf: repository.appending(path: "Makefile"), encoding: .utf8)
    for line in lines where line.hasPrefix("make ") {
      let target = line.split(separator: " ")[1]
      #expect(makefile.contains("\n\(target): "), "\(line)")
    }
  }

  @Test func completionScriptsAndVersionArePrinted() async throws {
    #expect(
      try await Program.run(["--generate-completion-script", "bash"]).output.contains("jobctl"))
    #expect(try await Program.run(["--version"]).status == 0)
    #expect(try await Program.run(["plann"]).status == 64)
  }

  @Test func aTrainedGridIsReportedInEveryFormat() async throws {
    let target = try await TestCluster.queue().database.target.string
    let folder = try TemporaryFolder()
    func run(_ arguments: String..., input: String = "") async throws -> Program.Result {
      try await Program.run(arguments, database: target, home: folder.path, input: input)
    }
    _ = try await run("submit", "-", input: smallGrid("g").encoded())
    let store = folder.path + "/store"
    let worker = try await run("worker", "--until-empty", "--checkpoints", store)
    #expect(worker.status == 0, "\(worker.error)")
    #expect(try await run("wait", "g").status == 0)
    let report = try JSON(parsing: try await run("report", "g", "--format", "json").output)
    for run in report["runs"]?.items ?? [] {
      #expect(run["state"]?.stringValue == "finished")
      #expect(run["updates"] == run["updates_planned"])
      #expect(run["updates_redone"]?.intValue == 0)
      #expect(run["parameters_digest"]?.stringValue?.count == 64)
    }
    #expect(
      try await run("report", "g", "--format", "csv").output.split(separator: "\n").count == 4)
    let figures = try await run("report", "g", "--output", folder.path + "/out")
    #expect(figures.status == 0, "\(figures.error)")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/out")
    for name in [
      "accuracy-by-epoch.svg", "accuracy-by-update.svg", "loss-by-epoch.svg", "batch-by-epoch.svg",
      "learning-rate-by-epoch.svg", "noise-scale-by-epoch.svg", "final-accuracy-by-updates.svg",
      "memory-by-batch.svg", "report.html", "report.json", "runs.csv", "settings.csv", "curves.csv",
    ] {
      #expect(files.contains(name), "\(name)")
    }
    #expect(try await run("checkpoint", "verify", "--checkpoints", store).status == 0)
    let exported = folder.path + "/model.safetensors"
    let export = try await run(
      "checkpoint", "export", "g", "schedule=decay,seed=1", exported, "--checkpoints", store)
    #expect(export.status == 0, "\(export.error)")
    #expect(FileManager.default.fileExists(atPath: exported))
  }
}
