import Experiments
import Foundation
import JobQueue
import Postgres
import Reports
import Values
import Worker

/// The queue at one moment.
struct QueueStatus {
  private let counts: [(state: String, count: Int)]
  private let workers: [WorkerListing]
  private let running: [RunningStage]
  /// Ready stages that a worker has given back, by its reason.
  private let given: [ReasonToWait]
  /// Data sets that a worker cannot open.
  private let missing: [DataWanted]
  /// Stores that no worker has and ready stages wait for.
  private let away: [String]
  private let collapsed: Int
  /// The queue as a whole, and grids, that are paused.
  private let paused: [String]
  let isEmpty: Bool

  /// `found` is a grid's number and name; of the whole queue where it is nil.
  init(_ database: Database, grid found: (id: Int, name: String)?) async throws {
    let queue = JobQueue(database)
    let state = try await queue.state(grid: found?.name)
    counts = [
      "ready", "running", "blocked", "done", "diverged", "failed", "parked", "skipped", "cancelled",
    ]
    .map { ($0, state.counts[$0] ?? 0) }
    isEmpty = state.isEmpty
    workers = try await queue.workers(all: false).filter { $0.silent < QueueStatus.lately }
    running = try await queue.running(grid: found?.id)
    given = try await queue.reasonsToWait(grid: found?.id)
    missing = try await queue.dataWanted(grid: found?.id)
    paused = try await queue.paused(grid: found?.id)
    let stores = try await queue.outOfReach(grid: found?.id)
    let identity = stores.isEmpty ? "" : try await queue.identity().id
    away = stores.compactMap { outOfReach($0, of: identity) }
    collapsed = try await queue.collapsed(grid: found?.id)
  }

  /// Workers that were silent for more seconds are left out.
  private static let lately = 300

  /// Why stages wait that nothing but a worker's surroundings keeps from training.
  private var reasons: [String] {
    given.map { "\($0.stages) ready stages wait: \(printable($0.reason))" }
      + missing.map { row in
        let name = [row.name, row.path].compactMap { $0 }.joined(separator: " ")
        return "worker \(row.worker) cannot open \(printable(name)), which \(row.stages) stages "
          + "want: \(printable(row.reason))"
      } + away.map(printable)
  }

  var line: String {
    "stages: "
      + counts.filter { $0.count > 0 }.map { "\($0.count) \($0.state)" }.joined(separator: ", ")
  }

  var text: String {
    var parts = [line]
    var table = TextTable([
      ("run", .left), ("runs", .right), ("stage", .right), ("batch", .right),
      ("learning rate", .right), ("updates", .right), ("samples/s", .right), ("test %", .right),
      ("left", .right), ("worker", .left),
    ])
    for row in running {
      table.add([
        row.run, String(row.runs), "\(row.position) of \(row.ofRun)", String(row.batch),
        JSON.text(of: row.learningRate), "\(row.updatesDone)/\(row.updates)",
        number(row.samplesPerSecond, 0), percent(row.testAccuracy),
        row.secondsLeft.map(GridProgress.words(seconds:)) ?? "", row.worker ?? "",
      ])
    }
    if !table.isEmpty { parts.append(table.text) }
    let waiting = running.compactMap { row in
      row.reason.map { "Stage \(row.stage) waits: \($0)" }
    }
    let why = waiting + reasons + paused.map { "\($0) is paused; jobctl resume goes on with it" }
    if !why.isEmpty { parts.append(why.joined(separator: "\n")) }
    if collapsed > 0 {
      parts.append(
        "\(collapsed) finished runs collapsed: their test accuracy is not above that of guessing.")
    }
    var workerTable = TextTable([
      ("worker", .left), ("state", .left), ("stages", .right), ("slots", .right),
      ("threads", .right),
      ("seen", .right),
    ])
    for row in workers {
      workerTable.add([
        row.worker, row.state, String(row.stages), String(row.slots), String(row.threads),
        "\(row.silent)s ago",
      ])
    }
    parts.append(
      workerTable.isEmpty ? "No worker runs; jobctl worker starts one." : workerTable.text)
    return parts.joined(separator: "\n\n")
  }

  var json: JSON {
    [
      "format": 1, "empty": .bool(isEmpty), "collapsed_runs": .integer(collapsed),
      "waiting": .array(reasons.map(JSON.string)), "paused": .array(paused.map(JSON.string)),
      "stages": .object(counts.map { .init($0.state, .integer($0.count)) }),
      "workers": .array(
        workers.map {
          [
            "worker": .string($0.worker), "state": .string($0.state),
            "stages": .integer($0.stages),
          ]
        }),
    ]
  }
}
