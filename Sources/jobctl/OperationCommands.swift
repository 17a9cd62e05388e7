import ArgumentParser
import Foundation
import JobQueue
import Postgres
import Tables
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

/// ", 2 of them running", or nothing.
private func running(_ touched: Touched) -> String {
  touched.running > 0 ? ", \(touched.running) of them running" : ""
}

struct CancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel", abstract: "Cancels a grid or one run; stages that other runs want go on."
  )

  @OptionGroup var target: GridOrRun
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let name = try await target.find(in: queue).name
    try await rehearsal.perform {
      "Cancelling \(count($0.runs, "run")) and \(count($0.stages, "stage")) of grid \(name)\(running($0))."
    } _: {
      try await queue.cancel(grid: name, run: target.run, $0)
    }
  }
}

struct RetryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry", abstract: "Tries failed, parked and cancelled stages again.")

  @OptionGroup var target: GridOrRun
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let name = try await target.find(in: queue).name
    try await rehearsal.perform {
      "Trying \(count($0.stages, "stage")) of grid \(name) again"
        + ($0.runs > 0 ? ", for \(count($0.runs, "cancelled run")) that are wanted again." : ".")
    } _: {
      try await queue.retry(grid: name, run: target.run, $0)
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
    let queue = JobQueue(try await database.open())
    let name = try await grid.find(in: queue).name
    try await rehearsal.perform {
      "Giving grid \(name) and its \(count($0.stages, "stage")) priority \(priority)."
    } _: {
      try await queue.setPriority(grid: name, Int(priority), $0)
    }
  }
}

struct PauseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pause",
    abstract: "Stops work on a grid or on everything, until it is resumed.",
    discussion: """
      Within a heartbeat, workers checkpoint the paused stages and give them back. No worker claims \
      them until they are resumed. A stage goes on if a grid that is not paused wants it.
      """)

  @OptionGroup var target: GridOrAll
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let name = try await target.find(in: queue)?.name
    try await rehearsal.perform {
      "Pausing \(name.map { "grid \($0)" } ?? "the queue"): "
        + "\(count($0.stages, "stage"))\(running($0)) will wait."
    } _: {
      try await queue.pause(grid: name, $0)
    }
  }
}

struct ResumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Goes on with what was paused.",
    discussion: "--all ends a pause of the whole queue; grids paused by themselves stay so.")

  @OptionGroup var target: GridOrAll
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var rehearsal: RehearsalOption

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let name = try await target.find(in: queue)?.name
    try await rehearsal.perform {
      "Going on with \(name.map { "grid \($0)" } ?? "the queue"): \(count($0.stages, "stage"))."
    } _: {
      try await queue.resume(grid: name, $0)
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
    let parked = Listing(
      try await JobQueue(try await database.open()).parked(),
      [
        .integer("stage") { $0.stage }, .text("run") { $0.run }, .integer("runs") { $0.runs },
        .integer("crashes") { $0.crashes }, .text("last_worker") { $0.lastWorker },
        .text("reason") { $0.reason },
      ])
    print(
      json
        ? document("parked", parked.json).pretty() : parked.text(or: "No stage is parked."))
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
    let queue = JobQueue(try await database.open())
    var name: String?
    if let grid { name = try await queue.grid(grid).name }
    try await rehearsal.perform {
      "Trying \(count($0.stages, "parked stage")) again."
    } _: {
      try await queue.unpark(grid: name, stage: stage, $0)
    }
  }
}

struct WorkersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workers", abstract: "Lists the workers with their state and their stages.",
    discussion: "Without --all, leaves out workers that have stopped or were silent for a day."
  )

  @OptionGroup var database: DatabaseOptions
  @Flag(help: "Also those that are gone.") var all = false
  @Flag(help: "JSON instead of a table.") var json = false

  func run() async throws {
    let workers = Listing(
      try await JobQueue(try await database.open()).workers(all: all),
      [
        .integer("id") { $0.id }, .text("worker") { $0.worker },
        .text("host") { $0.host }.inJSONOnly, .integer("pid") { $0.pid }.inJSONOnly,
        .text("state") { $0.state }, .integer("stages") { $0.stages },
        .integer("slots") { $0.slots }, .integer("threads") { $0.threads },
        .text("version") { $0.version }, .text("fingerprint", title: "kernels") { $0.fingerprint },
        .integer("silent_seconds") { $0.silent }.inJSONOnly,
        .figure("seen") { "\($0.silent) s ago" },
      ])
    print(
      json ? document("workers", workers.json).pretty() : workers.text(or: QueueStatus.noWorker))
  }
}

struct EventsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events", abstract: "Says who did what, when; the latest last.")

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var grid: GridOption
  @Option(help: "Only what concerns this stage.") var stage: Int?
  @Option(help: "Prints at most this many events, the latest.") var limit = 50
  @Flag(help: "One JSON line an event instead of text.") var json = false

  func validate() throws {
    guard (1...1_000_000).contains(limit) else {
      throw ValidationError("--limit takes a number from 1 to 1000000, not \(limit)")
    }
  }

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let id = try await grid.find(in: queue)?.id
    let events = try await queue.latestEvents(grid: id, stage: stage, limit: limit)
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
