import ArgumentParser
import Checkpoints
import Experiments
import Foundation
import JobQueue
import Postgres
import Reports
import Values

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
    let columns = [
      "finished", "collapsed", "diverged", "failed", "parked", "cancelled", "running", "waiting",
    ]
    // Each run is in one of them.
    let rows = try await database.open().query(
      """
      select id, grid, priority, runs, finished - collapsed as finished, collapsed, diverged, failed,
        parked, cancelled, running, waiting
      from report.grid order by id
      """)
    if json {
      let grids = rows.map { row -> JSON in
        .object(
          [
            .init("id", .integer(row.int("id") ?? 0)), .init("grid", .string(row["grid"] ?? "")),
            .init("priority", .integer(row.int("priority") ?? 0)),
            .init("runs", .integer(row.int("runs") ?? 0)),
          ]
            + columns.map { .init($0, .integer(row.int($0) ?? 0)) })
      }
      print((["format": 1, "grids": .array(grids)] as JSON).pretty())
      return
    }
    var table = TextTable(
      [("id", .right), ("grid", .left), ("priority", .right), ("runs", .right)]
        + columns.map { ($0, .right) })
    for row in rows {
      table.add((["id", "grid", "priority", "runs"] + columns).map { row[$0] ?? "" })
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
    let stages = try await database.query(
      """
      select s.*, rs.position from report.stage s join report.run_stage rs on rs.stage_id = s.id
      where rs.grid_id = $1 and rs.run = $2 order by rs.position
      """, [.integer(report.id), .text(name)])
    let points = try await database.query(
      "select * from report.run_measurement where grid_id = $1 and run = $2 order by samples",
      [.integer(report.id), .text(name)])
    print(json ? asJSON(row, stages, points).pretty() : asText(row, stages, points))
  }

  private func asJSON(_ row: GridReport.RunRow, _ stages: Rows, _ points: Rows) -> JSON {
    func object(_ row: Rows.Row, _ text: [String], _ numbers: [String]) -> JSON {
      .object(
        text.map { .init($0, row[$0].map(JSON.string) ?? .null) }
          + numbers.map { .init($0, row.double($0).map(JSON.real) ?? .null) })
    }
    return [
      "format": 1, "run": row.json,
      "stages": .array(
        stages.map {
          object(
            $0, ["digest", "state", "reason", "worker", "parameters_digest"],
            [
              "id", "batch", "ghost", "learning_rate", "momentum", "noise_scale", "start_samples",
              "end_samples", "updates", "updates_done", "runs", "attempt", "failures", "crashes",
              "preemptions",
            ])
        }),
      "measurements": .array(
        points.map {
          object(
            $0, [],
            [
              "epoch", "samples", "updates", "batch", "learning_rate", "noise_scale", "train_loss",
              "train_accuracy", "test_loss", "test_accuracy", "validation_loss",
              "validation_accuracy",
            ])
        }),
    ]
  }

  private func asText(_ row: GridReport.RunRow, _ stages: Rows, _ points: Rows) -> String {
    var stageTable = TextTable([
      ("stage", .right), ("state", .left), ("batch", .right), ("learning rate", .right),
      ("updates", .right), ("done", .right), ("runs", .right), ("attempts", .right),
      ("worker", .left), ("reason", .left),
    ])
    for stage in stages {
      stageTable.add(
        [
          "id", "state", "batch", "learning_rate", "updates", "updates_done", "runs", "attempt",
          "worker", "reason",
        ].map { stage[$0] ?? "" })
    }
    var pointTable = TextTable([
      ("epoch", .right), ("updates", .right), ("batch", .right), ("learning rate", .right),
      ("train loss", .right), ("train %", .right), ("test loss", .right), ("test %", .right),
    ])
    for point in points {
      pointTable.add([
        number(point.double("epoch"), 3), point["updates"] ?? "", point["batch"] ?? "",
        point["learning_rate"] ?? "", number(point.double("train_loss"), 4),
        percent(point.double("train_accuracy")), number(point.double("test_loss"), 4),
        percent(point.double("test_accuracy")),
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
    let found = grid == nil ? nil : try await GridReport.resolve(grid ?? "", in: database)
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
    let (id, name) = try await GridReport.resolve(grid.grid, in: database)
    let queue = JobQueue(database)
    let start = ContinuousClock.now
    while !(try await queue.state(grid: name, patience: .upTo(.seconds(300)))).isEmpty {
      if let timeout, (ContinuousClock.now - start) / .seconds(1) > timeout {
        complain("grid \(name) is not over after \(timeout) seconds")
        throw ExitCode(ExitStatus.timedOut)
      }
      try await Task.sleep(for: .seconds(1))
    }
    let row = try await database.query("select * from report.grid where id = $1", [.integer(id)])
      .map { $0 }.first
    func count(_ state: String) -> Int { row?.int(state) ?? 0 }
    print(
      "Grid \(name): \(count("finished") - count("collapsed")) finished, "
        + "\(count("collapsed")) collapsed, \(count("diverged")) diverged, "
        + "\(count("failed") + count("parked")) failed, \(count("cancelled")) cancelled")
    if count("failed") + count("parked") > 0 { throw ExitCode(ExitStatus.failed) }
    if count("cancelled") > 0 { throw ExitCode(ExitStatus.cancelled) }
    if count("diverged") > 0 { throw ExitCode(ExitStatus.diverged) }
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
    let (id, name) = try await GridReport.resolve(grid.grid, in: database)
    guard yes else {
      let count = try await database.query(
        "select count(*) from report.run where grid_id = $1", [.integer(id)])
      print(
        "This deletes grid \(name) with its \(count.single ?? "0") runs and every stage that no other "
          + "grid wants. Add --yes to do it.")
      return
    }
    let deletion = try await JobQueue(database).delete(grid: name)
    let store = try? CheckpointStore(path: store.path, creating: false)
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
