import Postgres
import Statistics
import Values

/// Reads a grid's report from the views of schema `report`.
extension GridReport {
  /// Several, all at one moment.
  package static func load(
    _ grids: [(id: Int, name: String)], from database: Database
  ) async throws -> [GridReport] {
    // All statements of a database go over one connection.
    _ = try await database.query("begin isolation level repeatable read read only")
    do {
      // Curves of thousands of settings are grouped in memory.
      _ = try await database.query("set local work_mem = '128MB'")
      var loaded: [GridReport] = []
      for grid in grids {
        loaded.append(try await GridReport(of: grid.id, grid.name, from: database))
      }
      _ = try await database.query("commit")
      return loaded
    } catch {
      // The error that ended the transaction says more.
      _ = try? await database.query("rollback")
      throw error
    }
  }

  package init(of id: Int, _ name: String, from database: Database) async throws {
    (self.id, self.name) = (id, name)
    let runs = try await GridReport.rows(
      RunRow.self, "report.run where grid_id = $1 order by position", [.integer(id)], database)
    self.runs = runs
    sharing =
      try await GridReport.rows(
        Sharing.self, "report.sharing where grid_id = $1", [.integer(id)], database
      ).first ?? Sharing()
    let hasCurves = Set(runs.map(\.setting)).count <= GridReport.mostCurves
    var curves: [String: [CurvePoint]] = [:]
    var stages: [String: [StageRow]] = [:]
    if hasCurves {
      let points = try await GridReport.rows(
        CurvePoint.self, "report.curve($1, $2) order by setting, samples",
        [.integer(id), .integers(GridReport.untrained(runs))], database)
      for point in points { curves[point.setting, default: []].append(point) }
      // As the first run of each setting has them.
      var first: [Int: RunRow] = [:]
      var seen: Set<String> = []
      for run in runs where seen.insert(run.setting).inserted { first[run.id] = run }
      let rows = try await GridReport.rows(
        StageRow.self, "report.stage_of_run($1) order by run_id, position",
        [.integers(first.keys.sorted())], database)
      for var row in rows {
        guard let run = first[row.run] else { continue }
        row.samplesPerEpoch = run.samplesPerEpoch
        stages[run.setting, default: []].append(row)
      }
    }
    (self.curves, self.stages) = (curves, stages)
    var runStages: [Int: [Int]] = [:]
    var runDatasets: [Int: String] = [:]
    let chains = try await GridReport.rows(
      ChainRow.self,
      "report.chain where grid_id = $1 order by run_id, position", [.integer(id)], database)
    for row in chains {
      runStages[row.run, default: []].append(row.stage)
      runDatasets[row.run] = row.dataset
    }
    (self.runStages, self.runDatasets) = (runStages, runDatasets)
    provenance = try await Provenance(of: id, from: database)
    timing =
      try await GridReport.rows(Timing.self, "report.timing($1)", [.integer(id)], database).first
      ?? Timing()
  }

  /// Of more settings neither curves.csv nor the figures have curves: SQL is the way to them.
  static let mostCurves = 10_000

  fileprivate static func rows<Row: TypedRow>(
    _ type: Row.Type, _ source: String, _ parameters: [Parameter], _ database: Database
  ) async throws -> [Row] {
    try await database.query("select \(Row.columnList) from \(source)", parameters).read(as: type)
  }

  /// Runs that collapsed, diverged or failed, of settings where others trained or still may.
  private static func untrained(_ runs: [RunRow]) -> [Int] {
    Dictionary(grouping: runs, by: \.setting).values.flatMap { runs in
      let lost = runs.filter { [.collapsed, .diverged, .failed].contains($0.outcome) }
      return lost.count == runs.count ? [] : lost.map(\.id)
    }.sorted()
  }
}

extension GridReport.Provenance {
  fileprivate init(of grid: Int, from database: Database) async throws {
    attempts =
      try await GridReport.rows(
        GridReport.Attempts.self, "report.provenance($1)", [.integer(grid)], database
      ).first ?? GridReport.Attempts()
    let data = try await GridReport.rows(
      GridReport.DatasetRow.self, "report.dataset_of_grid($1)", [.integer(grid)], database)
    var seen: Set<String> = []
    for row in data {
      guard let digest = row.digest, seen.insert(digest).inserted else { continue }
      datasets.append(
        .init(
          digest: digest, name: row.name ?? "",
          classes: row.classNames?.items?.compactMap(\.stringValue) ?? []))
    }
    numericsVersions = Set(data.map(\.numericsVersion)).sorted().map(String.init)
      .joined(separator: ", ")
  }
}
