import Experiments
import Foundation
import JobQueue
import Postgres
import Reports
import Values

/// The queue at one moment.
struct QueueStatus {
  private let counts: [(state: String, count: Int)]
  private let workers: Rows
  private let running: Rows
  /// Ready stages that a worker has given back, by its reason.
  private let given: Rows
  /// Data sets that a worker cannot open.
  private let missing: Rows
  private let collapsed: Int
  /// The queue as a whole, and grids, that are paused.
  private let paused: [String]
  let isEmpty: Bool

  /// `found` is a grid's number and name; of the whole queue where it is nil.
  init(_ database: Database, grid found: (Int, String)?) async throws {
    let state = try await JobQueue(database).state(grid: found?.1)
    counts = [
      "ready", "running", "blocked", "done", "diverged", "failed", "parked", "skipped", "cancelled",
    ]
    .map { ($0, state.counts[$0] ?? 0) }
    isEmpty = state.isEmpty
    workers = try await database.query(
      """
      select worker, state, stages, slots, threads,
        extract(epoch from now() - seen_at)::int as silent
      from report.worker where state <> 'gone' and seen_at > now() - interval '5 minutes' order by id
      """)
    running = try await database.query(
      """
      select s.id, s.batch, s.learning_rate, s.updates, s.updates_done, s.samples_per_second,
        s.threads, s.worker, s.reason, f.run, f.position, s.runs,
        (select count(*) from report.run_stage c where c.run_id = f.run_id) as of_run,
        (s.end_samples - coalesce(s.samples_done, s.start_samples))
          / nullif(s.samples_per_second, 0) as seconds_left,
        coalesce(
          (select m.test_accuracy from report.measurement m where m.stage_id = s.id
            order by m.samples desc limit 1),
          (select m.test_accuracy from report.measurement m where m.stage_id = s.parent_id
            order by m.samples desc limit 1)) as test_accuracy
      from report.stage s
      cross join lateral (
        select rs.run, rs.run_id, rs.position from report.run_stage rs where rs.stage_id = s.id
          and not rs.is_cancelled and ($1::bigint is null or rs.grid_id = $1)
        order by rs.run_id limit 1) f
      where s.state = 'running' order by s.id limit 50
      """, [Parameter(found?.0)])
    given = try await database.query(
      """
      select w.reason, count(*) as stages from report.waiting w
      where $1::bigint is null or exists (
        select from report.run_stage rs where rs.stage_id = w.stage_id and rs.grid_id = $1)
      group by w.reason order by stages desc, w.reason limit 10
      """, [Parameter(found?.0)])
    missing = try await database.query(
      """
      select m.name, m.path, m.worker, m.reason, m.stages from report.missing_data m
      where m.stages > 0 and m.seen_at > now() - interval '5 minutes'
        and ($1::bigint is null or exists (
          select from report.run_stage rs join report.stage s on s.id = rs.stage_id
          where rs.grid_id = $1 and s.dataset_digest = m.digest))
      order by m.stages desc, m.worker limit 10
      """, [Parameter(found?.0)])
    let pauses = try await database.query(
      """
      select 'the queue' as what from report.queue where paused_at is not null
      union all
      select 'grid ' || grid from report.submission
      where paused_at is not null and ($1::bigint is null or id = $1) limit 20
      """, [Parameter(found?.0)])
    paused = pauses.compactMap { $0["what"] }
    let learned = try await database.query(
      """
      select coalesce(sum(collapsed), 0) from report.grid where $1::bigint is null or id = $1
      """, [Parameter(found?.0)])
    collapsed = learned.single.flatMap { Int($0) } ?? 0
  }

  /// Why stages wait that nothing but a worker's surroundings keeps from training.
  private var reasons: [String] {
    given.map { row in
      "\(row["stages"] ?? "") ready stages wait: \(printable(row["reason"] ?? ""))"
    }
      + missing.map { row in
        let name = [row["name"], row["path"]].compactMap { $0 }.joined(separator: " ")
        return "worker \(row["worker"] ?? "") cannot open \(printable(name)), which "
          + "\(row["stages"] ?? "") stages want: \(printable(row["reason"] ?? ""))"
      }
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
        row["run"] ?? "", row["runs"] ?? "", "\(row["position"] ?? "") of \(row["of_run"] ?? "")",
        row["batch"] ?? "", row["learning_rate"] ?? "",
        "\(row["updates_done"] ?? "0")/\(row["updates"] ?? "")",
        number(row.double("samples_per_second"), 0), percent(row.double("test_accuracy")),
        row.double("seconds_left").map(GridProgress.words(seconds:)) ?? "",
        row["worker"] ?? "",
      ])
    }
    if !table.isEmpty { parts.append(table.text) }
    let waiting = running.compactMap { row in
      row["reason"].map { "Stage \(row["id"] ?? "") waits: \($0)" }
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
      workerTable.add(
        ["worker", "state", "stages", "slots", "threads"].map { row[$0] ?? "" }
          + ["\(row["silent"] ?? "")s ago"])
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
            "worker": .string($0["worker"] ?? ""), "state": .string($0["state"] ?? ""),
            "stages": .integer($0.int("stages") ?? 0),
          ]
        }),
    ]
  }
}
