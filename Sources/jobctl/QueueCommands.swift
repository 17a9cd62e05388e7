import ArgumentParser
import Checkpoints
import Experiments
import Foundation
import JobQueue
import Postgres
import Reports
import Values
import Worker

/// A grid, by name or id.
struct GridArgument: ParsableArguments {
  @Argument(help: "A grid's name or id.") var grid: String
}

struct UnknownRun: Error, CustomStringConvertible {
  let grid: String
  let run: String
  let names: [String]

  init(grid: String, run: String, among names: [String]) {
    (self.grid, self.run, self.names) = (grid, run, names)
  }

  var description: String {
    "grid \(grid) has no run \"\(run)\"\(hint(run, among: names)); jobctl show \(grid) lists them"
  }
}

/// Throws where a run is named that the grid does not have.
func check(
  _ run: String?, of grid: Int, _ name: String, in database: Database
) async throws {
  guard let run else { return }
  let rows = try await database.query(
    "select run as name from report.run where grid_id = $1 order by run_id limit 10000",
    [.integer(grid)])
  let names = rows.compactMap { $0["name"] }
  if !names.contains(run), names.count < 10000 {
    throw UnknownRun(grid: name, run: run, among: names)
  }
}

struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists the grids, with their runs by state.")

  @OptionGroup var database: DatabaseOptions
  @Flag(help: "JSON instead of a table.") var json = false

  func run() async throws {
    let grids = try await JobQueue(try await database.open()).grids()
    func counts(_ grid: GridCounts) -> [(String, Int)] {
      // Each run is in one of them.
      [
        ("finished", grid.finished), ("collapsed", grid.collapsed), ("diverged", grid.diverged),
        ("failed", grid.failed), ("parked", grid.parked), ("cancelled", grid.cancelled),
        ("running", grid.running), ("waiting", grid.waiting),
      ]
    }
    if json {
      let listed = grids.map { grid -> JSON in
        .object(
          [
            .init("id", .integer(grid.id)), .init("grid", .string(grid.grid)),
            .init("priority", .integer(grid.priority)), .init("runs", .integer(grid.runs)),
          ] + counts(grid).map { .init($0.0, .integer($0.1)) })
      }
      print((["format": 1, "grids": .array(listed)] as JSON).pretty())
      return
    }
    var table = TextTable(
      [("id", .right), ("grid", .left), ("priority", .right), ("runs", .right)]
        + counts(GridCounts()).map { ($0.0, .right) })
    for grid in grids {
      table.add(
        [String(grid.id), grid.grid, String(grid.priority), String(grid.runs)]
          + counts(grid).map { String($0.1) })
    }
    print(table.isEmpty ? "No grids yet; jobctl submit FILE adds one." : table.text)
  }
}

struct ShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Shows a grid's runs, or one run with its stages and measurements.")

  @OptionGroup var grid: GridArgument
  @Argument(help: "A run's name; without it the grid's runs are listed.") var run: String?
  @OptionGroup var database: DatabaseOptions
  @Flag(help: "JSON instead of tables (docs/JSON.md).") var json = false

  func run() async throws {
    let database = try await database.open()
    let report = try await GridReport(of: grid.grid, from: database)
    guard let name = self.run else {
      print(
        json
          ? report.json.pretty()
          : "Grid \(report.name): \(report.outcomes)\n\n\(report.runTable.text)")
      return
    }
    guard let row = report.runs.first(where: { $0.name == name }) else {
      throw UnknownRun(grid: report.name, run: name, among: report.runs.map(\.name))
    }
    let queue = JobQueue(database)
    let stages = try await queue.stages(ofRun: row.id)
    let measurements = try await queue.measurements(ofRun: row.id)
    guard json else {
      print(asText(row, stages, measurements))
      return
    }
    let document: JSON = [
      "format": 1, "run": row.json, "stages": .array(stages.map(\.json)),
      "measurements": .array(measurements.map(\.json)),
    ]
    print(document.pretty())
  }

  private func asText(
    _ row: GridReport.RunRow, _ stages: [StageListing], _ points: [MeasurementListing]
  ) -> String {
    var stageTable = TextTable([
      ("stage", .right), ("state", .left), ("batch", .right), ("learning rate", .right),
      ("updates", .right), ("done", .right), ("runs", .right), ("attempts", .right),
      ("worker", .left), ("reason", .left),
    ])
    for stage in stages {
      stageTable.add([
        String(stage.id), stage.state, String(stage.batch), JSON.text(of: stage.learningRate),
        String(stage.updates), stage.updatesDone.map(String.init) ?? "", String(stage.runs),
        String(stage.attempt), stage.worker ?? "", stage.reason ?? "",
      ])
    }
    var pointTable = TextTable([
      ("epoch", .right), ("updates", .right), ("batch", .right), ("learning rate", .right),
      ("train loss", .right), ("train %", .right), ("test loss", .right), ("test %", .right),
    ])
    for point in points {
      pointTable.add([
        number(point.epoch, 3), String(point.updates), String(point.batch),
        JSON.text(of: point.learningRate), number(point.trainLoss, 4),
        percent(point.trainAccuracy), number(point.testLoss, 4), percent(point.testAccuracy),
      ])
    }
    let digest = row.parametersDigest.map { "\nparameters \($0)" } ?? ""
    let reason = row.reason.map { "\n" + printable($0) } ?? ""
    return
      "\(row.name): \(row.stateOrCollapse)\(reason)\(digest)\n\n\(stageTable.text)\n\n\(pointTable.text)"
  }
}

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Says how the queue and its workers are.")

  @OptionGroup var database: DatabaseOptions
  @Option(help: "Only this grid.") var grid: String?
  @Flag(help: "JSON instead of text.") var json = false

  func run() async throws {
    let database = try await database.open()
    let found = grid == nil ? nil : try await findGrid(grid ?? "", in: database)
    let status = try await QueueStatus(database, grid: found)
    print(json ? status.json.pretty() : status.text)
  }
}

struct WaitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait", abstract: "Waits until a grid is over; the exit code says how it went.",
    discussion: """
      0: every run finished. 3: some diverged, the others finished. 4: some failed or are parked. \
      5: some were cancelled, none failed. 6: not over within the timeout.
      """)

  @OptionGroup var grid: GridArgument
  @OptionGroup var database: DatabaseOptions
  @Option(help: "Give up after so many seconds.") var timeout: Double?

  func validate() throws {
    if let timeout, !(timeout >= 0) {
      throw ValidationError("--timeout takes seconds from 0 up, not \(timeout)")
    }
  }

  func run() async throws {
    let database = try await database.open()
    let (id, name) = try await findGrid(grid.grid, in: database)
    let queue = JobQueue(database)
    let start = ContinuousClock.now
    while !(try await queue.state(grid: name, patience: .upTo(.seconds(300)))).isEmpty {
      if let timeout, (ContinuousClock.now - start) / .seconds(1) > timeout {
        complain("grid \(name) is not over after \(timeout) seconds")
        throw ExitCode(ExitStatus.timedOut)
      }
      try await Task.sleep(for: .seconds(1))
    }
    guard let grid = try await queue.grids(id).first else {
      throw NoSuchGrid(name: name, near: nil)
    }
    let failed = grid.failed + grid.parked
    print(
      "Grid \(name): \(grid.finished) finished, \(grid.collapsed) collapsed, "
        + "\(grid.diverged) diverged, \(failed) failed, \(grid.cancelled) cancelled")
    if failed > 0 { throw ExitCode(ExitStatus.failed) }
    if grid.cancelled > 0 { throw ExitCode(ExitStatus.cancelled) }
    if grid.diverged > 0 { throw ExitCode(ExitStatus.diverged) }
  }
}

struct DeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Deletes a grid with its results; stages of other grids stay.",
    discussion: "Says what it would delete unless --yes is given.")

  @OptionGroup var grid: GridArgument
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var store: StoreOptions
  @Flag(help: "Delete, rather than say what would be deleted.") var yes = false

  func run() async throws {
    let database = try await database.open()
    let (id, name) = try await findGrid(grid.grid, in: database)
    guard yes else {
      let runs = try await JobQueue(database).grids(id).first?.runs ?? 0
      print(
        "This deletes grid \(name) with its \(runs) runs and every stage that no other "
          + "grid wants. Add --yes to do it.")
      return
    }
    let queue = JobQueue(database)
    // A folder of another queue's is refused before anything is deleted; where there is none, no file is
    // here to remove.
    let isHere = try CheckpointStore.identity(at: self.store.path) != nil
    let store =
      isHere ? try await openStore(self.store.path, of: queue, for: .changing).store : nil
    let deletion = try await queue.delete(grid: name)
    let removed = deletion.checkpoints.count {
      $0.store == store?.id && store?.remove($0.file) == true
    }
    print(
      "Deleted grid \(name): \(deletion.runs) runs, \(deletion.stages) stages, \(removed) of "
        + "\(deletion.checkpoints.count) checkpoint files"
        + (removed < deletion.checkpoints.count
          ? " (the others are not in \(self.store.path))" : ""))
  }
}
