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
    _ words: (Touched) -> String,
    _ change: (JobQueue.Doing) async throws -> Touched
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
private func running(_ touched: Touched) -> String {
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
    let (id, name) = try await findGrid(grid.grid, in: database)
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
    let (id, name) = try await findGrid(grid.grid, in: database)
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
    let (_, name) = try await findGrid(grid.grid, in: database)
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
    return try await findGrid(grid, in: database).1
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
    let parked = try await JobQueue(try await database.open()).parked()
    if json {
      let stages = parked.map { row -> JSON in
        [
          "stage": .integer(row.stage), "run": .string(row.run ?? ""), "runs": .integer(row.runs),
          "crashes": .integer(row.crashes), "last_worker": .string(row.lastWorker ?? ""),
          "reason": .string(row.reason ?? ""),
        ]
      }
      print((["format": 1, "parked": .array(stages)] as JSON).pretty())
      return
    }
    var table = TextTable([
      ("stage", .right), ("run", .left), ("runs", .right), ("crashes", .right),
      ("last worker", .left), ("reason", .left),
    ])
    for row in parked {
      table.add([
        String(row.stage), row.run ?? "", String(row.runs), String(row.crashes),
        row.lastWorker ?? "", row.reason ?? "",
      ])
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
    let name = grid == nil ? nil : try await findGrid(grid ?? "", in: database).1
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
    let workers = try await JobQueue(try await database.open()).workers(all: all)
    if json {
      let listed = workers.map { row -> JSON in
        [
          "worker": .string(row.worker), "host": .string(row.host), "state": .string(row.state),
          "version": .string(row.version), "fingerprint": .string(row.fingerprint),
          "id": .integer(row.id), "pid": .integer(row.pid), "stages": .integer(row.stages),
          "slots": .integer(row.slots), "threads": .integer(row.threads),
          "silent_seconds": .integer(row.silent),
        ]
      }
      print((["format": 1, "workers": .array(listed)] as JSON).pretty())
      return
    }
    var table = TextTable([
      ("id", .right), ("worker", .left), ("state", .left), ("stages", .right), ("slots", .right),
      ("threads", .right), ("version", .left), ("kernels", .left), ("seen", .right),
    ])
    for row in workers {
      table.add([
        String(row.id), row.worker, row.state, String(row.stages), String(row.slots),
        String(row.threads), row.version, row.fingerprint, "\(row.silent) s ago",
      ])
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
    let id = grid == nil ? nil : try await findGrid(grid ?? "", in: database).0
    let events = try await JobQueue(database).latestEvents(grid: id, stage: stage, limit: limit)
    for event in events { print(json ? line(event).encoded() : text(event)) }
  }

  private func line(_ event: Event) -> JSON {
    [
      "id": .integer(event.id), "at": .string(event.at), "actor": .string(event.actor),
      "kind": .string(event.kind), "grid": event.grid.json, "stage": event.stage.json,
      "worker": event.worker.json, "detail": event.detail ?? .null,
    ]
  }

  private func text(_ event: Event) -> String {
    let about = [
      event.grid.map { "grid \($0)" }, event.stage.map { "stage \($0)" },
      event.worker.map { "worker \($0)" }, event.detail?.encoded(),
    ]
    return printable(
      ([event.time, event.actor, event.kind] + about.compactMap { $0 }).joined(separator: "  "))
  }
}
