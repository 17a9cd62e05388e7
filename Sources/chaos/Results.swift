import Foundation
import JobQueue
import Postgres

/// What training came to: of each run the state, the digest of its parameters, the updates, and every
/// measurement but its seconds and memory.
struct Results: Equatable {
  private var lines: [String: String] = [:]
  var runs: Int { lines.count }
  var finished: Int { lines.values.count { $0.hasPrefix("finished ") } }

  init(of database: Database) async throws {
    let rows = try await database.query(
      """
      select r.run, concat_ws(' ', r.state, r.parameters_digest, r.updates, (
        select string_agg(concat_ws(',', m.samples, m.updates, m.epoch, m.batch, m.learning_rate,
          m.test_loss, m.test_accuracy, m.train_loss, m.train_accuracy), ';' order by m.samples)
        from report.run_measurement m where m.run_id = r.run_id)) as result
      from report.run r order by r.run_id
      """)
    for row in rows { lines[row["run"] ?? ""] = row["result"] }
  }

  /// Runs whose results are not these.
  func differences(from other: Results) -> [String] {
    Set(lines.keys).union(other.lines.keys).sorted().filter { lines[$0] != other.lines[$0] }
  }
}
