import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// What a plan says a run takes, against what it took.
@Suite(.serialized) struct MemoryTests {
  private func grid(_ network: String, side: Int, train: Int, batch: Int, ghost: Int) -> JSON {
    [
      "name": "g",
      "dataset": [
        "name": "synthetic", "train": .integer(train), "test": 64, "height": .integer(side),
        "width": .integer(side), "channels": 3,
      ],
      "network": .string(network), "epochs": 1,
      "optimizer": ["name": "momentum", "learning_rate": .number("0.01")],
      "batch": ["size": .integer(batch), "ghost": .integer(ghost)], "schedule": "constant",
    ]
  }

  /// Bytes of memory and of the last checkpoint: planned, and taken.
  private func train(_ grid: JSON) async throws -> (planned: (Int, Int), taken: (Int, Int)) {
    let queue = try await TestCluster.queue()
    let folder = try TemporaryFolder()
    let target = queue.database.target.string
    let plan = try JSON(
      parsing: try await Program.run(["plan", "-", "--json"], input: grid.encoded()).output)
    let run = try #require(plan["runs"]?.items?.first)
    _ = try await Program.run(["submit", "-"], database: target, input: grid.encoded())
    let worker = try await Program.run(
      [
        "worker", "--until-empty", "--slots", "1", "--threads", "1", "--checkpoints",
        folder.path + "/store",
      ], database: target, home: folder.path)
    #expect(worker.status == 0, "\(worker.error)")
    let memory = try await queue.value("select peak_memory_bytes from report.run")
    let disk = try await queue.value("select bytes from jobs.checkpoint where final")
    return (
      (run["memory_bytes"]?.intValue ?? 0, run["checkpoint_bytes"]?.intValue ?? 0),
      (Int(memory ?? "") ?? 0, Int(disk ?? "") ?? 0)
    )
  }

  @Test(arguments: [("cnn", 32, 640, 128), ("wrn-16-4", 32, 128, 64), ("resnet-50", 64, 32, 16)])
  func thePlanIsWithinFifteenPercent(network: String, side: Int, train: Int, ghost: Int)
    async throws
  {
    let (planned, taken) = try await self.train(
      grid(network, side: side, train: train, batch: ghost, ghost: ghost))
    let memory = Double(planned.0) / Double(taken.0)
    #expect(
      (0.85...1.15).contains(memory), "\(planned.0) bytes of memory planned, \(taken.0) taken")
    let disk = Double(planned.1) / Double(taken.1)
    #expect((0.85...1.15).contains(disk), "\(planned.1) bytes on disk planned, \(taken.1) taken")
  }

  @Test func memoryDoesNotGrowWithTheBatch() async throws {
    let small = try await train(grid("cnn", side: 24, train: 16_000, batch: 128, ghost: 128))
    let large = try await train(grid("cnn", side: 24, train: 16_000, batch: 16_000, ghost: 128))
    #expect(Double(large.taken.0) < 1.05 * Double(small.taken.0))
  }
}
