import Foundation
import JobQueue
import Postgres
import Values

/// What came of the faults: whether work went on after each, and how soon.
extension Tormentor {
  /// Faults by kind. One is survived where an attempt that was claimed after it went on to register a
  /// checkpoint; that what was written is right is compared at the end.
  func table() async throws -> String {
    let last =
      try await site.database.query(
        """
        select coalesce(extract(epoch from max(a.claimed_at)), 0)
        from jobs.attempt a join jobs.checkpoint c using (stage_id, attempt)
        """
      ).single.flatMap(Double.init) ?? 0
    var lines = [
      "", "fault                                                     caused  survived  no occasion",
    ]
    for fault in Fault.allCases {
      let times = caused.filter { $0.fault == fault }.map(\.at.timeIntervalSince1970)
      lines.append(
        fault.rawValue.padding(toLength: 56, withPad: " ", startingAt: 0)
          + padded(times.count, 8) + padded(times.count { $0 < last }, 10)
          + padded(missed[fault] ?? 0, 13))
    }
    lines.append("")
    lines.append(
      "\(kills.count) SIGKILLs, \(caused.count) faults in all, \(started) workers started, "
        + "\(unparked) stages unparked.")
    return lines.joined(separator: "\n")
  }

  private func padded(_ value: Int, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// From SIGKILL to the first checkpoint that the stage's next attempt registered. Checkpoints are a
  /// second of training apart here, so the next update was about a second before that.
  func recoveries() async throws -> String {
    let list = JSON.array(
      kills.map { ["pid": .integer(Int($0.pid)), "at": .real($0.at.timeIntervalSince1970)] })
    let rows = try await site.database.query(
      """
      with crash as (
        select distinct on (a.stage_id, a.attempt) a.stage_id, a.attempt, k.at
        from jsonb_to_recordset($1) as k(pid int, at float8)
        join jobs.worker w on w.pid = k.pid and w.started_at < to_timestamp(k.at)
        join jobs.attempt a on a.worker_id = w.id and a.outcome = 'crashed'
          and a.claimed_at < to_timestamp(k.at) and a.ended_at > to_timestamp(k.at)
        order by a.stage_id, a.attempt, k.at
      ), recovery as (
        select extract(epoch from n.claimed_at) - crash.at as claimed,
          extract(epoch from (select min(c.created_at) from jobs.checkpoint c
            where c.stage_id = n.stage_id and c.attempt = n.attempt)) - crash.at as trained
        from crash join jobs.attempt n
          on n.stage_id = crash.stage_id and n.attempt = crash.attempt + 1
      )
      select count(*) as crashes, count(trained) as trained,
        percentile_cont(0.5) within group (order by claimed) as claimed_median,
        percentile_cont(0.99) within group (order by claimed) as claimed_p99,
        percentile_cont(0.5) within group (order by trained) as trained_median,
        percentile_cont(0.99) within group (order by trained) as trained_p99
      from recovery
      """, [.text(list.encoded())])
    guard let row = rows.map({ $0 }).first, row["crashes"] != "0" else {
      return "No stage was rescued."
    }
    func seconds(_ key: String) -> String {
      String(format: "%.1f s", row[key].flatMap { Double($0) } ?? 0)
    }
    return """
      \(row["crashes"] ?? "") attempts ended by SIGKILL and were followed by another.
      Crash to next claim: median \(seconds("claimed_median")), p99 \(seconds("claimed_p99")).
      Crash to next checkpoint, about a second after the next update, of the \(row["trained"] ?? "") whose \
      next attempt lived to write one: median \(seconds("trained_median")), p99 \(seconds("trained_p99")).
      """
  }
}
