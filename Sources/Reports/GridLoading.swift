import Postgres
import Statistics
import Values

/// Reads a grid's report from the views of schema `report`.
extension GridReport {
  /// Several, all at one moment.
  package static func load(_ grids: [String], from database: Database) async throws -> [GridReport]
  {
    // All statements of a database go over one connection.
    _ = try await database.query("begin isolation level repeatable read read only")
    do {
      // Curves of thousands of settings are grouped in memory.
      _ = try await database.query("set local work_mem = '128MB'")
      var loaded: [GridReport] = []
      for grid in grids { loaded.append(try await GridReport(of: grid, from: database)) }
      _ = try await database.query("commit")
      return loaded
    } catch {
      _ = try? await database.query("rollback")
      throw error
    }
  }

  /// `grid` is a grid's name or id.
  package init(of grid: String, from database: Database) async throws {
    let (id, name) = try await GridReport.resolve(grid, in: database)
    self.id = id
    self.name = name
    let runs = try await database.query(
      "select * from report.run where grid_id = $1 order by position", [.integer(id)]
    ).map(RunRow.init)
    self.runs = runs
    sharing =
      try await database.query("select * from report.sharing where grid_id = $1", [.integer(id)])
      .map(Sharing.init).first ?? Sharing()
    let hasCurves = Set(runs.map(\.setting)).count <= GridReport.mostCurves
    var curves: [String: [CurvePoint]] = [:]
    var stages: [String: [StageRow]] = [:]
    if hasCurves {
      let points = try await database.query(
        GridReport.curveQuery, [.integer(id), .integers(GridReport.untrained(runs))])
      for row in points { curves[row["setting"] ?? "", default: []].append(CurvePoint(row)) }
      // As the first run of each setting has them.
      var first: [Int: RunRow] = [:]
      var seen: Set<String> = []
      for run in runs where seen.insert(run.setting).inserted { first[run.id] = run }
      let rows = try await database.query(
        GridReport.stageQuery, [.integers(first.keys.sorted())])
      for row in rows {
        guard let run = first[row.int("run_id") ?? 0] else { continue }
        stages[run.setting, default: []].append(StageRow(row, samplesPerEpoch: run.samplesPerEpoch))
      }
    }
    (self.curves, self.stages) = (curves, stages)
    var runStages: [Int: [Int]] = [:]
    var runDatasets: [Int: String] = [:]
    let chains = try await database.query(
      """
      select rs.run_id, rs.stage_id, s.dataset_digest
      from report.run_stage rs join report.stage s on s.id = rs.stage_id
      where rs.grid_id = $1 order by rs.run_id, rs.position
      """, [.integer(id)])
    for row in chains {
      let run = row.int("run_id") ?? 0
      runStages[run, default: []].append(row.int("stage_id") ?? 0)
      runDatasets[run] = row["dataset_digest"]
    }
    (self.runStages, self.runDatasets) = (runStages, runDatasets)
    provenance = try await Provenance(of: id, from: database)
    timing = try await Timing(of: id, from: database)
  }

  /// Of more settings neither curves.csv nor the figures have curves: SQL is the way to them.
  static let mostCurves = 10_000

  private static let stageQuery = """
    select rs.run_id, s.start_samples, s.end_samples, s.batch, s.law, s.noise_scale, s.memory_bytes,
      (select max(a.peak_memory_bytes) from report.attempt a
       where a.stage_id = s.id and a.slots = 1) as memory_measured
    from report.run_stage rs join report.stage s on s.id = rs.stage_id
    where rs.run_id = any ($1::bigint[]) order by rs.run_id, rs.position
    """

  private static let curveQuery = """
    select m.setting, m.samples, min(m.epoch) as epoch, min(m.updates) as updates, count(*) as runs,
      avg(m.test_accuracy) as test_accuracy_mean,
      stddev_samp(m.test_accuracy) as test_accuracy_deviation,
      avg(m.train_loss) as train_loss_mean, stddev_samp(m.train_loss) as train_loss_deviation,
      avg(m.gradient_square) as gradient_square, avg(m.gradient_variance) as gradient_variance
    from report.run_measurement m
    where m.grid_id = $1 and m.run_id <> all ($2::bigint[])
    group by m.setting, m.samples order by m.setting, m.samples
    """

  /// Runs that collapsed, diverged or failed, of settings where others trained or still may.
  private static func untrained(_ runs: [RunRow]) -> [Int] {
    Dictionary(grouping: runs, by: \.setting).values.flatMap { runs in
      let lost = runs.filter { [.collapsed, .diverged, .failed].contains($0.outcome) }
      return lost.count == runs.count ? [] : lost.map(\.id)
    }.sorted()
  }

  /// The grid with this number, as "7" or "#7", or with this name. Digits alone are a number: a grid that
  /// an earlier version let have such a name is named by its number.
  package static func resolve(_ grid: String, in database: Database) async throws -> (Int, String) {
    let digits = grid.hasPrefix("#") ? grid.dropFirst() : grid[...]
    let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (48...57).contains($0) }
    let rows = try await database.query(
      "select id, grid from report.submission where "
        + (isNumber ? "id::text = ltrim($1, '#0')" : "grid = $1"), [.text(grid)])
    guard let row = rows.map({ $0 }).first, let id = row["id"].flatMap({ Int($0) }) else {
      let known = try await database.query("select id, grid from report.submission")
      // Digits alone may mean the grid with that name.
      let near =
        isNumber
        ? known.compactMap { $0["grid"] == grid ? $0["id"].map { "#\($0)" } : nil }.first
        : nearest(grid, among: known.compactMap { $0["grid"] })
      throw NotFound(name: grid, near: near)
    }
    return (id, row["grid"] ?? grid)
  }
}

extension GridReport.Timing {
  /// Attempts of other grids count where they ran on the same hosts in the same time.
  fileprivate init(of grid: Int, from database: Database) async throws {
    self.init()
    let rows = try await database.query(
      """
      with own as (
        select a.stage_id, a.attempt, a.host, a.threads, a.claimed_at, a.ended_at
        from report.attempt a
        where a.outcome = 'finished' and a.stage_id in (
          select rs.stage_id from report.run_stage rs where rs.grid_id = $1)),
      span as (
        select host, min(claimed_at) as first, max(ended_at) as last from own group by host),
      -- A crashed attempt's end is that of its rescue: when it stopped is not known.
      beside as (
        select a.host, a.claimed_at, a.ended_at,
          exists (select from own o where o.stage_id = a.stage_id and o.attempt = a.attempt)::int
            as is_own
        from report.attempt a join span s on s.host = a.host
        where a.claimed_at < s.last and coalesce(a.ended_at, s.last) > s.first
          and a.outcome is distinct from 'crashed'),
      -- An end comes before a beginning of the same moment.
      moved as (
        select host, claimed_at as at, 1 as change, is_own as own_change from beside
        union all select host, ended_at, -1, -is_own from beside where ended_at is not null),
      running as (
        select sum(change) over w as attempts, sum(own_change) over w as own_attempts from moved
        window w as (partition by host order by at, change
          rows between unbounded preceding and current row))
      select (select count(distinct host) from own) as hosts,
        (select count(distinct threads) from own) as threads,
        (select max(attempts) from running where own_attempts > 0) as at_once
      """, [.integer(grid)])
    guard let row = rows.map({ $0 }).first else { return }
    hosts = row.int("hosts") ?? 0
    threads = row.int("threads") ?? 0
    atOnce = row.int("at_once") ?? 0
  }
}

extension GridReport.Provenance {
  fileprivate init(of grid: Int, from database: Database) async throws {
    let attempts = try await database.query(
      """
      select string_agg(distinct a.version, ', ') as versions,
        string_agg(distinct a.host, ', ') as hosts,
        string_agg(distinct a.fingerprint, '; ') as fingerprints, count(*) as attempts,
        count(*) filter (where a.outcome = 'crashed') as crashed,
        count(*) filter (where a.outcome = 'preempted') as preempted,
        count(*) filter (where a.outcome = 'failed') as failed
      from report.attempt a where a.stage_id in (
        select rs.stage_id from report.run_stage rs where rs.grid_id = $1)
      """, [.integer(grid)])
    if let row = attempts.map({ $0 }).first {
      (versions, hosts) = (row["versions"] ?? "", row["hosts"] ?? "")
      fingerprints = row["fingerprints"] ?? ""
      (self.attempts, crashed) = (row.int("attempts") ?? 0, row.int("crashed") ?? 0)
      (preempted, failed) = (row.int("preempted") ?? 0, row.int("failed") ?? 0)
    }
    let data = try await database.query(
      """
      select distinct d.digest, d.name, s.numerics_version
      from report.run_stage rs join report.stage s on s.id = rs.stage_id
      left join report.dataset d on d.digest = s.dataset_digest where rs.grid_id = $1
      """, [.integer(grid)])
    var seen: Set<String> = []
    for row in data {
      guard let digest = row["digest"], seen.insert(digest).inserted else { continue }
      datasets.append((digest, row["name"] ?? ""))
    }
    numericsVersions = Set(data.compactMap { $0["numerics_version"] }).sorted()
      .joined(separator: ", ")
  }
}
