import Experiments
import Foundation
import JobQueue
import Postgres
import Tables
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

  /// The whole queue's where no grid is given.
  init(_ queue: JobQueue, grid found: KnownGrid?) async throws {
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

  /// Why stages wait that are ready, and that the workers still cannot train: data, store or version.
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
    let trained = Listing(
      running,
      [
        .text("run") { $0.run }, .integer("runs") { $0.runs },
        .figure("stage") { "\($0.position) of \($0.ofRun)" }, .integer("batch") { $0.batch },
        .figure("learning rate") {
          span(JSON.text(of: $0.learningRate), JSON.text(of: $0.learningRateEnd))
        },
        .figure("updates") { "\($0.updatesDone)/\($0.updates)" },
        .figure("samples/s") { number($0.samplesPerSecond, 0) },
        .figure("test %") { percent($0.testAccuracy) },
        .figure("left") { $0.secondsLeft.map(time(seconds:)) ?? "" }, .text("worker") { $0.worker },
      ])
    if !running.isEmpty { parts.append(trained.table.text) }
    let waiting = running.compactMap { row in
      row.reason.map { "Stage \(row.stage) waits: \($0)" }
    }
    let why = waiting + reasons + paused.map { "\($0) is paused; jobctl resume goes on with it" }
    if !why.isEmpty { parts.append(why.joined(separator: "\n")) }
    if collapsed > 0 {
      parts.append(
        "\(collapsed) finished runs collapsed: their test accuracy is not above that of guessing.")
    }
    parts.append(workerListing.text(or: QueueStatus.noWorker))
    return parts.joined(separator: "\n\n")
  }

  static let noWorker = "No worker runs; jobctl worker starts one."

  private var workerListing: Listing<WorkerListing> {
    Listing(
      workers,
      [
        .text("worker") { $0.worker }, .text("state") { $0.state },
        .integer("stages") { $0.stages },
        .figure("slots") { String($0.slots) }, .figure("threads") { String($0.threads) },
        .figure("seen") { "\($0.silent) s ago" },
      ])
  }

  var json: JSON {
    [
      "format": 1, "empty": .bool(isEmpty), "collapsed_runs": .integer(collapsed),
      "waiting": .array(reasons.map(JSON.string)), "paused": .array(paused.map(JSON.string)),
      "stages": .object(counts.map { .init($0.state, .integer($0.count)) }),
      "workers": workerListing.json,
    ]
  }
}
