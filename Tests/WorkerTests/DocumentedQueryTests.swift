import Datasets
import Experiments
import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Worker

/// The queries of docs/SQL.md, run on a trained grid: what a reader pastes must work.
@Suite struct DocumentedQueryTests {
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
    try await WorkerService(
      WorkerOptions(
        slots: 2, threads: 2, grid: nil, untilEmpty: true, checkpointEvery: .seconds(60),
        checkpoints: folder.path + "/store", dataFolders: DataFolders(roots: []), version: "test"),
      target: queue.database.target, logger: quietLogger, news: { _ in }
    ).run()
    for query in queries {
      let rows = try await queue.database.query(query)
      #expect(rows.count > 0, "\(query)")
    }
  }
}
