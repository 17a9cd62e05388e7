import Experiments
import Foundation
import Postgres

/// What is known of one grid: its runs, their curves, the summary of the sweep and the work that
/// sharing saved. Read from the views of schema `report`, at one moment.
package struct GridReport: Sendable {
  package let id: Int
  package let name: String
  package let runs: [RunRow]
  package let sweep: [SweepRow]
  package let sharing: Sharing
  package let curves: [String: [CurvePoint]]

  package struct RunRow: Sendable {
    package let name: String
    package let state: String
    package let learningRate: Double
    package let schedule: String
    package let optimizer: String
    package let variant: String?
    package let seed: Int
    package let updatesPlanned: Int
    package let updates: Int
    package let updatesRedone: Int
    package let epochs: Double
    package let samples: Int
    package let testAccuracy: Double?
    package let bestTestAccuracy: Double?
    package let testLoss: Double?
    package let trainLoss: Double?
    package let seconds: Double?
    package let peakMemory: Int?
    package let parametersDigest: String?
    package let reason: String?
  }

  /// Runs of one schedule, optimizer, variant and learning rate, over seeds.
  package struct SweepRow: Sendable {
    package let learningRate: Double
    package let schedule: String
    package let optimizer: String
    package let variant: String?
    package let runs: Int
    package let finished: Int
    package let diverged: Int
    /// Mean final test accuracy of the finished runs.
    package let testAccuracy: Double?
    /// Standard deviation over seeds; nil for fewer than two.
    package let deviation: Double?
    package let updates: Double?
  }

  package struct Sharing: Sendable {
    package var stages = 0
    package var uniqueStages = 0
    package var updates = 0
    package var uniqueUpdates = 0
    package var epochs = 0.0
    package var uniqueEpochs = 0.0
    /// Stages that an earlier grid had submitted.
    package var reusedStages = 0
  }

  package struct CurvePoint: Sendable {
    package let epoch: Double
    package let updates: Int
    package let batch: Int
    package let learningRate: Double
    package let testAccuracy: Double?
    package let trainLoss: Double?
  }

  /// There is no such grid.
  package struct NotFound: Error, CustomStringConvertible {
    package let name: String
    package let near: String?
    package var description: String {
      "there is no grid \"\(name)\"" + (near.map { "; did you mean \"\($0)\"" } ?? "")
    }
  }
}

extension GridReport {
  /// `grid` is a grid's name or id.
  package init(of grid: String, from database: Database) async throws {
    let (id, name) = try await GridReport.resolve(grid, in: database)
    self.id = id
    self.name = name
    runs = try await database.query(
      "select * from report.run where grid_id = $1 order by position", [.integer(id)]
    ).map(RunRow.init)
    sweep = try await database.query(
      """
      select * from report.sweep where grid_id = $1
      order by optimizer, variant nulls first, schedule, learning_rate
      """, [.integer(id)]
    ).map(SweepRow.init)
    sharing =
      try await database.query("select * from report.sharing where grid_id = $1", [.integer(id)])
      .map(Sharing.init).first ?? Sharing()
    let points = try await database.query(
      """
      select run, epoch, updates, batch, learning_rate, test_accuracy, train_loss
      from report.run_measurement where grid_id = $1 order by run_id, samples
      """, [.integer(id)])
    var curves: [String: [CurvePoint]] = [:]
    for row in points { curves[row["run"] ?? "", default: []].append(CurvePoint(row)) }
    self.curves = curves
  }

  /// The grid with this name or, where there is none, this id.
  package static func resolve(_ grid: String, in database: Database) async throws -> (Int, String) {
    let rows = try await database.query(
      """
      select id, grid from report.grid where grid = $1 or id::text = $1
      order by (grid = $1) desc limit 1
      """, [.text(grid)])
    guard let row = rows.map({ $0 }).first, let id = row["id"].flatMap({ Int($0) }) else {
      let names = try await database.query("select grid from report.grid").compactMap { $0["grid"] }
      throw NotFound(name: grid, near: nearest(grid, among: names))
    }
    return (id, row["grid"] ?? grid)
  }
}

extension GridReport.RunRow {
  init(_ row: Rows.Row) {
    name = row["run"] ?? ""
    state = row["state"] ?? ""
    learningRate = row.double("learning_rate") ?? 0
    schedule = row["schedule"] ?? ""
    optimizer = row["optimizer"] ?? ""
    variant = row["variant"]
    seed = row.int("seed") ?? 0
    updatesPlanned = row.int("updates_planned") ?? 0
    updates = row.int("updates") ?? 0
    updatesRedone = row.int("updates_redone") ?? 0
    epochs = row.double("epochs") ?? 0
    samples = row.int("samples") ?? 0
    testAccuracy = row.double("test_accuracy")
    bestTestAccuracy = row.double("best_test_accuracy")
    testLoss = row.double("test_loss")
    trainLoss = row.double("train_loss")
    seconds = row.double("seconds")
    peakMemory = row.int("peak_memory_bytes")
    parametersDigest = row["parameters_digest"]
    reason = row["reason"]
  }

  package var json: JSON {
    func real(_ value: Double?) -> JSON { value.map(JSON.real) ?? .null }
    return [
      "name": .string(name), "state": .string(state), "learning_rate": .real(learningRate),
      "schedule": .string(schedule), "optimizer": .string(optimizer), "seed": .integer(seed),
      "updates_planned": .integer(updatesPlanned), "updates": .integer(updates),
      "updates_redone": .integer(updatesRedone), "epochs": .real(epochs),
      "samples": .integer(samples),
      "test_accuracy": real(testAccuracy), "best_test_accuracy": real(bestTestAccuracy),
      "test_loss": real(testLoss), "train_loss": real(trainLoss), "seconds": real(seconds),
      "peak_memory_bytes": peakMemory.map(JSON.integer) ?? .null,
      "parameters_digest": parametersDigest.map(JSON.string) ?? .null,
      "variant": variant.map(JSON.string) ?? .null, "reason": reason.map(JSON.string) ?? .null,
    ]
  }
}

extension GridReport.SweepRow {
  init(_ row: Rows.Row) {
    learningRate = row.double("learning_rate") ?? 0
    schedule = row["schedule"] ?? ""
    optimizer = row["optimizer"] ?? ""
    variant = row["variant"]
    runs = row.int("runs") ?? 0
    finished = row.int("finished") ?? 0
    diverged = row.int("diverged") ?? 0
    testAccuracy = row.double("test_accuracy_mean")
    deviation = row.double("test_accuracy_deviation")
    updates = row.double("updates_mean")
  }

  var json: JSON {
    [
      "learning_rate": .real(learningRate), "schedule": .string(schedule),
      "optimizer": .string(optimizer), "variant": variant.map(JSON.string) ?? .null,
      "runs": .integer(runs), "finished": .integer(finished), "diverged": .integer(diverged),
      "test_accuracy": testAccuracy.map(JSON.real) ?? .null,
      "test_accuracy_deviation": deviation.map(JSON.real) ?? .null,
      "updates": updates.map(JSON.real) ?? .null,
    ]
  }

  /// What a reader calls this line of the sweep.
  var label: String { variant ?? schedule }
}

extension GridReport.Sharing {
  init(_ row: Rows.Row) {
    stages = row.int("stages") ?? 0
    uniqueStages = row.int("unique_stages") ?? 0
    updates = row.int("updates") ?? 0
    uniqueUpdates = row.int("unique_updates") ?? 0
    epochs = row.double("epochs") ?? 0
    uniqueEpochs = row.double("unique_epochs") ?? 0
    reusedStages = row.int("reused_stages") ?? 0
  }

  var json: JSON {
    [
      "stages": .integer(stages), "unique_stages": .integer(uniqueStages),
      "updates": .integer(updates), "unique_updates": .integer(uniqueUpdates),
      "epochs": .real(epochs), "unique_epochs": .real(uniqueEpochs),
      "reused_stages": .integer(reusedStages),
    ]
  }
}

extension GridReport.CurvePoint {
  init(_ row: Rows.Row) {
    epoch = row.double("epoch") ?? 0
    updates = row.int("updates") ?? 0
    batch = row.int("batch") ?? 0
    learningRate = row.double("learning_rate") ?? 0
    testAccuracy = row.double("test_accuracy")
    trainLoss = row.double("train_loss")
  }
}

extension Rows.Row {
  package func int(_ column: String) -> Int? {
    self[column].flatMap { text in Int(text) ?? Double(text).flatMap { Int(exactly: $0.rounded()) }
    }
  }
  package func double(_ column: String) -> Double? { self[column].flatMap { Double($0) } }
}
