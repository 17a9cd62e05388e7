import ArgumentParser
import Checkpoints
import Experiments
import Foundation
import JobQueue
import Postgres
import Reports
import Tables
import Values
import Worker

/// A document of commands that list things: docs/JSON.md.
func document(_ key: String, _ rows: JSON) -> JSON {
  .object([.init("format", 1), .init(key, rows)])
}

struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists the grids, with their runs by state.")

  @OptionGroup var database: DatabaseOptions
  @Flag(help: "JSON instead of a table.") var json = false

  func run() async throws {
    let grids = Listing(
      try await JobQueue(try await database.open()).grids(),
      [
        .integer("id") { $0.id }, .text("grid") { $0.grid }, .integer("priority") { $0.priority },
        .integer("runs") { $0.runs },
        // Each run is in one of these states.
        .integer("finished") { $0.finished }, .integer("collapsed") { $0.collapsed },
        .integer("diverged") { $0.diverged }, .integer("failed") { $0.failed },
        .integer("parked") { $0.parked }, .integer("cancelled") { $0.cancelled },
        .integer("running") { $0.running }, .integer("waiting") { $0.waiting },
      ])
    print(
      json
        ? document("grids", grids.json).pretty()
        : grids.text(or: "No grids yet; jobctl submit FILE adds one."))
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
    let queue = JobQueue(database)
    let found = try await grid.find(in: queue)
    let report = try await GridReport(of: found.id, found.name, from: database)
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
    let stages = Listing(
      stages,
      [
        .integer("stage") { $0.id }, .text("state") { $0.state }, .integer("batch") { $0.batch },
        .figure("learning rate") {
          span(JSON.text(of: $0.learningRate), JSON.text(of: $0.learningRateEnd))
        },
        .integer("updates") { $0.updates }, .integer("done") { $0.updatesDone },
        .integer("runs") { $0.runs }, .integer("attempts") { $0.attempt },
        .text("worker") { $0.worker }, .text("reason") { $0.reason },
      ])
    let points = Listing(
      points,
      [
        .figure("epoch") { number($0.epoch, 3) }, .integer("updates") { $0.updates },
        .integer("batch") { $0.batch }, .figure("learning rate") { JSON.text(of: $0.learningRate) },
        .figure("train loss") { number($0.trainLoss, 4) },
        .figure("train %") { percent($0.trainAccuracy) },
        .figure("test loss") { number($0.testLoss, 4) },
        .figure("test %") { percent($0.testAccuracy) },
      ])
    let digest = row.parametersDigest.map { "\nparameters \($0)" } ?? ""
    let reason = row.reason.map { "\n" + printable($0) } ?? ""
    let title = "\(row.name): \(row.stateOrCollapse)\(reason)\(digest)"
    return [title, stages.table.text, points.table.text].joined(separator: "\n\n")
  }
}

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Says how the queue and its workers are.")

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var grid: GridOption
  @Flag(help: "JSON instead of text.") var json = false

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let status = try await QueueStatus(queue, grid: try await grid.find(in: queue))
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
    let queue = JobQueue(try await database.open())
    let found = try await grid.find(in: queue)
    let (id, name) = (found.id, found.name)
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
    let queue = JobQueue(try await database.open())
    let found = try await grid.find(in: queue)
    let name = found.name
    guard yes else {
      let runs = try await queue.grids(found.id).first?.runs ?? 0
      print(
        "This deletes grid \(name) with its \(runs) runs and every stage that no other "
          + "grid wants. Add --yes to do it.")
      return
    }
    // A folder of another queue's is refused before anything is deleted; where there is none, no file is
    // here to remove.
    let isHere = try FolderStore.identity(at: self.store.path) != nil
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
