import ArgumentParser
import Foundation
import JobQueue
import Postgres
import Reports
import Values

// What is done to many rows at once. Each of these says what it will touch before it does it.

struct RehearsalOption: ParsableArguments {
  @Flag(help: "Say what would be touched, and touch nothing.") var dryRun = false

  /// Says what `change` will touch, and does it unless this is a dry run.
  func perform(
    _ words: (JobQueue.Touched) -> String,
    _ change: (JobQueue.Doing) async throws -> JobQueue.Touched
  ) async throws {
    print(words(try await change(.rehearsal)) + (dryRun ? " Nothing was done." : ""))
    guard !dryRun else { return }
    _ = try await change(.forReal)
  }
}

/// "1 stage", "2 stages".
private func count(_ number: Int, _ thing: String) -> String {
  "\(number) \(thing)\(number == 1 ? "" : "s")"
}

/// ", 2 of them running", or nothing.
private func running(_ touched: JobQueue.Touched) -> String {
  touched.running > 0 ? ", \(touched.running) of them running" : ""
}

struct CancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel", abstract: "Cancels a grid or one run; stages that other runs want go on."
  )

  @OptionGroup var grid: GridArgument
  @Argument(help: "A run's name; without it the whole grid.") var run: String?
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func run() async throws {
    let database = try await database.open()
    let (id, name) = try await GridReport.resolve(grid.grid, in: database)
    try await check(self.run, of: id, name, in: database)
    try await rehearsal.perform {
      "Cancelling \(count($0.runs, "run")) and \(count($0.stages, "stage")) of grid \(name)\(running($0))."
    } _: {
      try await JobQueue(database).cancel(grid: name, run: self.run, $0)
    }
  }
}

struct RetryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry", abstract: "Tries failed, parked and cancelled stages again.")

  @OptionGroup var grid: GridArgument
  @Argument(help: "A run's name; without it the whole grid.") var run: String?
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func run() async throws {
    let database = try await database.open()
    let (id, name) = try await GridReport.resolve(grid.grid, in: database)
    try await check(self.run, of: id, name, in: database)
    try await rehearsal.perform {
      "Trying \(count($0.stages, "stage")) of grid \(name) again"
        + ($0.runs > 0 ? ", for \(count($0.runs, "cancelled run")) that are wanted again." : ".")
    } _: {
      try await JobQueue(database).retry(grid: name, run: self.run, $0)
    }
  }
}

struct PriorityCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "priority",
    abstract: "Changes a grid's priority; the highest is trained first.",
    discussion: "A stage that several grids want has the highest priority among them.")

  @OptionGroup var grid: GridArgument
  @Argument(help: "The new priority; grids are submitted with 0. Below that: -- -1") var priority:
    Int32
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func run() async throws {
    let database = try await database.open()
    let (_, name) = try await GridReport.resolve(grid.grid, in: database)
    try await rehearsal.perform {
      "Giving grid \(name) and its \(count($0.stages, "stage")) priority \(priority)."
    } _: {
      try await JobQueue(database).setPriority(grid: name, Int(priority), $0)
    }
  }
}

/// A grid, or with --all everything.
struct GridOrAll: ParsableArguments {
  @Argument(help: "A grid's name or id.") var grid: String?
  @Flag(help: "The whole queue.") var all = false

  func validate() throws {
    guard all == (grid == nil) else { throw ValidationError("name a grid, or say --all") }
  }

  func name(in database: Database) async throws -> String? {
    guard let grid else { return nil }
    return try await GridReport.resolve(grid, in: database).1
  }
}

struct PauseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pause",
    abstract: "Stops work on a grid or on everything, until it is resumed.",
    discussion: """
      What is being trained is checkpointed and given back within a heartbeat; nothing of it is \
      claimed. A stage that a grid which is not paused wants goes on.
      """)

  @OptionGroup var what: GridOrAll
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func run() async throws {
    let database = try await database.open()
    let name = try await what.name(in: database)
    try await rehearsal.perform {
      "Pausing \(name.map { "grid \($0)" } ?? "the queue"): "
        + "\(count($0.stages, "stage"))\(running($0)) will wait."
    } _: {
      try await JobQueue(database).pause(grid: name, $0)
    }
  }
}

struct ResumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Goes on with what was paused.",
    discussion: "--all ends a pause of the whole queue; grids paused by themselves stay so.")

  @OptionGroup var what: GridOrAll
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func run() async throws {
    let database = try await database.open()
    let name = try await what.name(in: database)
    try await rehearsal.perform {
      "Going on with \(name.map { "grid \($0)" } ?? "the queue"): \(count($0.stages, "stage"))."
    } _: {
      try await JobQueue(database).resume(grid: name, $0)
    }
  }
}

struct ParkCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "park", abstract: "Lists the parked stages: those that crashed again and again.",
    discussion: "jobctl unpark tries them again.")

  @OptionGroup var database: DatabaseOptions
  @Flag(help: "JSON instead of a table.") var json = false

  func run() async throws {
    let rows = try await database.open().query(
      """
      select s.id, s.crashes, s.reason,
        (select min(rs.run) from report.run_stage rs where rs.stage_id = s.id) as run, s.runs,
        (select a.worker from report.attempt a where a.stage_id = s.id and a.attempt = s.attempt)
          as last_worker
      from report.stage s where s.state = 'parked' order by s.id
      """)
    if json {
      let stages = rows.map { row -> JSON in
        [
          "stage": .integer(row.int("id") ?? 0), "run": .string(row["run"] ?? ""),
          "runs": .integer(row.int("runs") ?? 0), "crashes": .integer(row.int("crashes") ?? 0),
          "last_worker": .string(row["last_worker"] ?? ""), "reason": .string(row["reason"] ?? ""),
        ]
      }
      print((["format": 1, "parked": .array(stages)] as JSON).pretty())
      return
    }
    var table = TextTable([
      ("stage", .right), ("run", .left), ("runs", .right), ("crashes", .right),
      ("last worker", .left), ("reason", .left),
    ])
    for row in rows {
      table.add(["id", "run", "runs", "crashes", "last_worker", "reason"].map { row[$0] ?? "" })
    }
    print(table.isEmpty ? "No stage is parked." : table.text)
  }
}

struct UnparkCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpark", abstract: "Tries parked stages again: a grid's, one, or all.")

  @Argument(help: "A grid's name or id.") var grid: String?
  @Option(help: "One stage, by its number.") var stage: Int?
  @Flag(help: "All that are parked.") var all = false
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func validate() throws {
    guard [grid != nil, stage != nil, all].count(where: { $0 }) == 1 else {
      throw ValidationError("name a grid, or give --stage, or say --all")
    }
  }

  func run() async throws {
    let database = try await database.open()
    let name = grid == nil ? nil : try await GridReport.resolve(grid ?? "", in: database).1
    try await rehearsal.perform {
      "Trying \(count($0.stages, "parked stage")) again."
    } _: {
      try await JobQueue(database).unpark(grid: name, stage: stage, $0)
    }
  }
}

struct WorkersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workers", abstract: "Lists the workers and what they are at.",
    discussion: "Those that have stopped are left out, as are those silent for a day, unless --all."
  )

  @OptionGroup var database: DatabaseOptions
  @Flag(help: "Also those that are gone.") var all = false
  @Flag(help: "JSON instead of a table.") var json = false

  func run() async throws {
    let numbers = ["id", "pid", "stages", "slots", "threads", "silent"]
    let texts = ["worker", "host", "state", "version", "fingerprint"]
    let rows = try await database.open().query(
      """
      select *, extract(epoch from now() - seen_at)::bigint as silent from report.worker
      where $1 or (state <> 'gone' and seen_at > now() - interval '1 day') order by id
      """, [.bool(all)])
    if json {
      let workers = rows.map { row -> JSON in
        .object(
          texts.map { .init($0, .string(row[$0] ?? "")) }
            + numbers.map {
              .init($0 == "silent" ? "silent_seconds" : $0, .integer(row.int($0) ?? 0))
            })
      }
      print((["format": 1, "workers": .array(workers)] as JSON).pretty())
      return
    }
    var table = TextTable([
      ("id", .right), ("worker", .left), ("state", .left), ("stages", .right), ("slots", .right),
      ("threads", .right), ("version", .left), ("kernels", .left), ("seen", .right),
    ])
    for row in rows {
      table.add(
        ["id", "worker", "state", "stages", "slots", "threads", "version", "fingerprint"]
          .map { row[$0] ?? "" } + ["\(row["silent"] ?? "") s ago"])
    }
    print(table.isEmpty ? "No worker runs; jobctl worker starts one." : table.text)
  }
}

struct EventsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events", abstract: "Says who did what, when; the latest last.")

  @OptionGroup var database: DatabaseOptions
  @Option(help: "Only what concerns this grid or its stages.") var grid: String?
  @Option(help: "Only what concerns this stage.") var stage: Int?
  @Option(help: "So many at most, the latest.") var limit = 50
  @Flag(help: "One JSON line an event instead of text.") var json = false

  func validate() throws {
    guard (1...1_000_000).contains(limit) else {
      throw ValidationError("--limit takes a number from 1 to 1000000, not \(limit)")
    }
  }

  func run() async throws {
    let database = try await database.open()
    let id = grid == nil ? nil : try await GridReport.resolve(grid ?? "", in: database).0
    let rows = try await database.query(
      """
      select * from (
        select e.*, to_char(e.at, 'YYYY-MM-DD HH24:MI:SS') as time from report.event e
        where ($1::bigint is null or e.grid_id = $1 or e.stage_id in (
            select rs.stage_id from report.run_stage rs where rs.grid_id = $1))
          and ($2::bigint is null or e.stage_id = $2)
        order by e.id desc limit $3) latest
      order by id
      """, [Parameter(id), Parameter(stage), .integer(limit)])
    for row in rows { print(json ? line(row).encoded() : text(row)) }
  }

  private func line(_ row: Rows.Row) -> JSON {
    [
      "id": .integer(row.int("id") ?? 0), "at": .string(row["at"] ?? ""),
      "actor": .string(row["actor"] ?? ""), "kind": .string(row["kind"] ?? ""),
      "grid": row["grid"].map(JSON.string) ?? .null,
      "stage": row.int("stage_id").map(JSON.integer) ?? .null,
      "worker": row["worker"].map(JSON.string) ?? .null,
      "detail": row["detail"].flatMap { try? JSON(parsing: $0) } ?? .null,
    ]
  }

  private func text(_ row: Rows.Row) -> String {
    let about = [
      row["grid"].map { "grid \($0)" }, row["stage_id"].map { "stage \($0)" },
      row["worker"].map { "worker \($0)" }, row["detail"],
    ]
    return printable(
      ([row["time"], row["actor"], row["kind"]] + about).compactMap { $0 }.joined(separator: "  "))
  }
}
