import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values
import Worker

/// The queries of docs/SQL.md, run on a trained grid: what a reader pastes must work.
@Suite struct DocumentedQueryTests: RunsWorkers {
  @Test func everyQueryOfTheDocumentationRuns() async throws {
    let text = try String(contentsOf: repository.appending(path: "docs/SQL.md"), encoding: .utf8)
    let queries = text.components(separatedBy: "```sql\n").dropFirst()
      .compactMap { $0.components(separatedBy: "```").first }
    #expect(queries.count >= 3)
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    try await queue.submit(
      plan(
        smallGrid(
          "lr-sweep",
          changing: [
            ("seeds", [1, 2]),
            (
              "grid",
              [
                "optimizer.learning_rate": [.number("0.1")],
                "schedule.name": ["decay", "increase"],
              ]
            ),
          ])))
    try await work(queue, folder.path + "/store")
    for query in queries {
      let rows = try await queue.database.query(query)
      #expect(rows.count > 0, "\(query)")
    }
  }
}
