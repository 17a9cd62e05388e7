import ArgumentParser
import Datasets
import Experiments
import Foundation
import JobQueue
import Tables
import Trainers
import Training
import Values

/// A grid file on the command line; "-" is standard input.
struct GridFileArgument: ParsableArguments {
  @Argument(help: "The grid file; - reads standard input.", completion: .file(extensions: ["json"]))
  var file: String

  /// Larger than a grid of a million runs needs.
  private static let sizeLimit = 64 << 20

  struct Unreadable: Error, CustomStringConvertible {
    let reason: String
    var description: String { reason }
  }

  /// A plan, and the code of its trainers.
  struct Read {
    let plan: Plan
    let code: [[UInt8]]
  }

  private func contents() throws -> Data {
    let data: Data
    if file == "-" {
      data =
        try FileHandle.standardInput.read(upToCount: GridFileArgument.sizeLimit + 1) ?? Data()
    } else {
      var status = stat()
      guard stat(file, &status) == 0, status.st_mode & S_IFMT != S_IFDIR,
        let handle = FileHandle(forReadingAtPath: file)
      else {
        let reason = status.st_mode & S_IFMT == S_IFDIR ? EISDIR : errno
        throw Unreadable(reason: "cannot read \(file): \(String(cString: strerror(reason)))")
      }
      data = try handle.read(upToCount: GridFileArgument.sizeLimit + 1) ?? Data()
    }
    guard data.count <= GridFileArgument.sizeLimit else {
      throw Unreadable(reason: "\(file) is larger than \(GridFileArgument.sizeLimit) bytes")
    }
    return data
  }

  func plan() async throws -> Read {
    let data = try contents()
    do {
      guard let text = String(validating: data, as: UTF8.self) else {
        throw InvalidDocument([Problem("", "it is not UTF-8 text")])
      }
      let grid = try Grid(parsing: text)
      // Beside the grid file, wherever the command is called.
      let base = file == "-" ? "." : URL(filePath: file).deletingLastPathComponent().path
      var folders: [TrainerFiles: CodeFolder] = [:]
      for files in Set(grid.settings.compactMap { $0.spec.training.trainer?.files }) {
        folders[files] = try await CodeFolder(files, base: base)
      }
      let data = DataFolders.ofProcess
      let plan = try Plan(grid, digests: folders.mapValues(\.digests)) {
        dataset throws(InvalidDocument) in
        try dataset.facts(from: data)
      }
      return Read(plan: plan, code: folders.values.compactMap(\.archive))
    } catch let error as InvalidDocument {
      let count = error.problems.count
      throw InvalidDocument(
        [Problem("", "\(file) has \(count) error\(count == 1 ? "" : "s"):")] + error.problems)
    }
  }
}

/// Costs of runs that are trained alone, each kind of run once: planning a large network takes time.
private final class Costs {
  private struct Key: Hashable {
    let spec: TrainingSpec
    let facts: DatasetFacts
  }

  private var known: [Key: RunCost] = [:]

  func cost(_ planned: PlannedSetting) -> RunCost {
    guard case .native(let spec) = planned.setting.spec.training, let facts = planned.facts else {
      return planned.cost(threads: 1)
    }
    var kind = spec
    // No constant of the optimizer changes what it takes.
    kind.optimizer.weightDecay = .zero
    kind.labelSmoothing = .zero
    kind.dataset = kind.dataset.samplesAlone
    let key = Key(spec: kind, facts: facts)
    if let cost = known[key] { return cost }
    let cost = spec.cost(facts, threads: 1)
    known[key] = cost
    return cost
  }
}

/// Memory and disk of a run that is trained alone.
private func members(_ cost: RunCost) -> [JSON.Member] {
  [
    .init("memory_bytes", .integer(cost.memoryBytes)),
    .init("checkpoint_bytes", cost.checkpointBytes.map(JSON.integer) ?? .null),
  ]
}

struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Prints each run's stages and the totals, without a database or data.")

  @OptionGroup var grid: GridFileArgument
  @Flag(help: "JSON instead of tables (docs/JSON.md).") var json = false

  func run() async throws {
    let plan = try await grid.plan().plan
    let costs = Costs()
    print(json ? plan.json { members(costs.cost($0)) }.pretty() : plan.text)
  }
}

extension DataFolders {
  static var ofProcess: DataFolders {
    var folders = DataFolders(
      environment: ProcessInfo.processInfo.environment, home: DatabaseOptions.home)
    folders.progress = IndexingProgress().note
    return folders
  }
}

extension Plan {
  /// For people: a table a setting, then the totals.
  var text: String {
    var parts: [String] = []
    let costs = Costs()
    for planned in settings {
      var table = TextTable([
        ("stage", .right), ("batch", .right), ("ghost", .right), ("learning rate", .right),
        ("law", .left), ("momentum", .right), ("noise scale", .right), ("epochs", .right),
        ("updates", .right), ("digest", .left),
      ])
      let optimizer = planned.setting.spec.training.optimizer.name
      for (index, stage) in stages(of: planned).enumerated() {
        table.add([
          String(index + 1), String(stage.law.batch), String(stage.ghost),
          span(JSON.text(of: stage.rate), JSON.text(of: stage.rateAtEnd)), stage.law.rate.name,
          stage.law.momentum.map { JSON.text(of: $0.float) } ?? "",
          stage.noiseScale(optimizer: optimizer).map { number($0.approximate, 1) } ?? "",
          number(stage.epochs, 2), String(stage.updates),
          self.stages[planned.stages[index]].digest(seed: grid.seeds[0])
            .map { String($0.prefix(12)) } ?? "unknown: no data here",
        ])
      }
      let updates = stages(of: planned).reduce(0) { $0 + $1.updates }
      let cost = costs.cost(planned)
      let memory =
        ", about \(cost.memoryBytes >> 20) MiB of memory"
        + (cost.checkpointBytes.map { ", checkpoints of \(number(Double($0) / 1e6, 1)) MB" } ?? "")
      let off = deviation(of: planned).map {
        ", first noise scale \(number(100 * $0, 1)) % off the reference point's"
      }
      let name = Setting.runName(planned.setting.name, seed: String(grid.seeds[0]))
      let others = grid.seeds.count - 1
      let more = others == 0 ? "" : " and \(others) more seed\(others == 1 ? "" : "s")"
      parts.append("\(name)\(more): \(updates) updates\(memory)\(off ?? "")\n\(table.text)")
    }
    let totals = totals
    parts.append(
      """
      \(totals.runs) runs: \(totals.uniqueStages) stages to train for \(totals.stages), \
      \(totals.uniqueUpdates) updates for \(totals.updates), \
      \(number(totals.uniqueEpochs, 1)) epochs for \(number(totals.epochs, 1))
      """)
    if !obstacles.isEmpty {
      parts.append("Cannot be trained here: " + obstacles.joined(separator: "; "))
    }
    return parts.joined(separator: "\n\n")
  }
}

extension Plan {
  /// How far a scaled first batch misses the noise scale of its reference point, as a share: batches
  /// are whole ghost batches, and the rate is not touched.
  private func deviation(of planned: PlannedSetting) -> Double? {
    guard let reference = planned.setting.spec.batch.scaling, let first = stages(of: planned).first
    else {
      return nil
    }
    let spec = planned.setting.spec
    let own = spec.momentum?.double ?? 0
    func noise(_ rate: Rational, _ batch: Int, _ momentum: Double) -> Double {
      NoiseScale(
        rate: rate.double, samples: first.samplesPerEpoch, batch: batch, momentum: momentum
      ).approximate
    }
    let asked = noise(reference.learningRate, reference.size, reference.momentum?.double ?? own)
    return noise(spec.learningRate, first.law.batch, own) / asked - 1
  }
}

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Prints the JSON Schema of grid files.")

  func run() { print(Grid.schema.pretty()) }
}

struct SubmitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "submit", abstract: "Puts a grid's runs into the queue.",
    discussion: """
      Submitting the same file again changes nothing, but revives what was cancelled. Stages that \
      an earlier grid has trained are reused.
      """)

  @OptionGroup var grid: GridFileArgument
  @OptionGroup var database: DatabaseOptions
  @Option(
    help: "Higher goes first; 0 by default. Changes the priority of a grid that is there already.")
  var priority: Int?
  @Flag(help: "Check and plan, but submit nothing.") var dryRun = false
  @Flag(help: "JSON instead of text (docs/JSON.md).") var json = false

  func run() async throws {
    let read = try await grid.plan()
    let plan = read.plan
    guard plan.obstacles.isEmpty else {
      throw InvalidDocument(
        [Problem("", "this grid cannot be trained:")] + plan.obstacles.map { Problem("", $0) })
    }
    let totals = plan.totals
    guard !dryRun else {
      let result: JSON = [
        "format": 1, "grid": .string(plan.grid.name), "id": .null,
        "runs": .integer(totals.runs), "stages": ["unique": .integer(totals.uniqueStages)],
      ]
      print(
        json
          ? result.encoded()
          : "\(plan.grid.name): \(totals.runs) runs with \(totals.uniqueStages) stages to train; "
            + "nothing was submitted")
      return
    }
    var submission = Submission(plan, priority: priority) { $0.cost(threads: 1).memoryBytes }
    submission.code = read.code
    let reply = try await JobQueue(database.open(.migrated)).submit(submission)
    if json {
      let result: JSON = [
        "format": 1, "grid": .string(plan.grid.name), "id": .integer(reply.id),
        "runs": .integer(reply.runs),
        "stages": [
          "created": .integer(reply.created), "shared": .integer(reply.shared),
          "reused": .integer(reply.reused),
        ],
      ]
      print(result.encoded())
      return
    }
    print("Grid \(plan.grid.name) (id \(reply.id)): \(reply.runs) runs")
    if reply.isUnchanged { print("It was submitted before; nothing new.") }
    print(
      "stages: \(reply.created) created, \(reply.shared) shared by several runs, \(reply.reused) reused"
    )
    if reply.revived > 0 { print("\(reply.revived) cancelled stages live again.") }
    if reply.failed > 0 {
      print(
        "\(reply.failed) stages have failed before; jobctl retry \(plan.grid.name) tries again.")
    }
  }
}
