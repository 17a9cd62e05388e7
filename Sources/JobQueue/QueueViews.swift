import Postgres
import Values

/// Reads for the command line: one method for each view or function of schema `report` that it asks.
/// The rows are in QueueViewRows.swift.
extension JobQueue {
  /// Rows of a view, or of a function of schema `report`.
  package func rows<Row: TypedRow>(
    _ type: Row.Type, from source: String, _ parameters: [Parameter] = [], _ rest: String = "",
    patience: Database.Patience = .none
  ) async throws -> [Row] {
    try await database.query(
      "select \(Row.columnList) from \(source) \(rest)", parameters, patience: patience
    ).read(as: type)
  }

  /// `grid` is a grid's number; everything where it is nil.
  package func running(grid: Int?) async throws -> [RunningStage] {
    try await rows(RunningStage.self, from: "report.running($1)", [Parameter(grid)])
  }

  package func reasonsToWait(grid: Int?) async throws -> [ReasonToWait] {
    try await rows(ReasonToWait.self, from: "report.reason_to_wait($1)", [Parameter(grid)])
  }

  package func dataWanted(grid: Int?) async throws -> [DataWanted] {
    try await rows(DataWanted.self, from: "report.data_wanted($1)", [Parameter(grid)])
  }

  package func paused(grid: Int?) async throws -> [String] {
    try await rows(Paused.self, from: "report.paused($1)", [Parameter(grid)]).map(\.what)
  }

  package func parked() async throws -> [ParkedStage] {
    try await rows(ParkedStage.self, from: "report.parked()")
  }

  package func latestEvents(grid: Int?, stage: Int?, limit: Int) async throws -> [Event] {
    try await rows(
      Event.self, from: "report.latest_event($1, $2, $3)",
      [Parameter(grid), Parameter(stage), .integer(limit)])
  }

  package func grids(_ grid: Int? = nil) async throws -> [GridCounts] {
    try await rows(
      GridCounts.self, from: "report.grid", [Parameter(grid)],
      "where $1::bigint is null or id = $1 order by id")
  }

  /// Finished runs that collapsed.
  package func collapsed(grid: Int?) async throws -> Int {
    try await rows(CollapsedRuns.self, from: "report.collapsed($1)", [Parameter(grid)])
      .reduce(0) { $0 + $1.runs }
  }

  /// Workers that were heard of in the last day, or all that there were.
  package func workers(all: Bool) async throws -> [WorkerListing] {
    try await rows(
      WorkerListing.self, from: "report.worker_listing", [.bool(all)],
      "where $1 or (state <> 'gone' and silent < 86400) order by id")
  }

  package func progress(grid: Int?) async throws -> [GridProgressRow] {
    try await rows(
      GridProgressRow.self, from: "report.progress", [Parameter(grid)],
      """
      where grid_id = $1
        or ($1::bigint is null and stages_running + stages_ready + stages_parked > 0)
      order by grid_id
      """)
  }

  package func checkpoints(grid: Int?) async throws -> [CheckpointListing] {
    try await rows(CheckpointListing.self, from: "report.checkpoint_of($1)", [Parameter(grid)])
  }

  /// The queue's identity, and the stores that it knows.
  package func identity(
    patience: Database.Patience = .none
  ) async throws -> (id: String, stores: [StoreListing]) {
    let own = try await rows(QueueIdentity.self, from: "report.queue", patience: patience)
    guard let own = own.first else { throw UnexpectedAnswer(function: "report.queue") }
    let stores = try await rows(
      StoreListing.self, from: "report.store", [], "order by id", patience: patience)
    return (own.id, stores)
  }

  /// Stores that no worker has and ready stages wait for, of a grid or of all.
  package func outOfReach(grid: Int?) async throws -> [StoreOutOfReach] {
    try await rows(StoreOutOfReach.self, from: "report.out_of_reach($1)", [Parameter(grid)])
  }

  /// Files that the queue has registered in a store; only those that count, where `valid` is true.
  package func files(of store: String, valid: Bool) async throws -> [StoredFile] {
    try await rows(
      StoredFile.self, from: "report.stored_file", [.text(store), .bool(valid)],
      "where store_id = $1 and (counts or not $2) order by id")
  }

  /// True while the checkpoint is neither damaged nor given up.
  package func counts(checkpoint: Int) async throws -> Bool {
    try await rows(
      StoredFile.self, from: "report.stored_file", [.integer(checkpoint)],
      "where id = $1 and counts"
    ).isEmpty == false
  }

  /// True while a checkpoint with this file is neither damaged nor given up.
  package func counts(_ file: String, of store: String) async throws -> Bool {
    try await rows(
      StoredFile.self, from: "report.stored_file", [.text(store), .text(file)],
      "where store_id = $1 and file = $2 and counts"
    ).isEmpty == false
  }

  /// The kept checkpoints of a run, in the order of training.
  package func checkpoints(ofRun run: String, grid: Int) async throws -> [RunCheckpoint] {
    try await rows(
      RunCheckpoint.self, from: "report.run_checkpoint($1, $2)", [.integer(grid), .text(run)])
  }

  /// What the trainer of a run has written, attempt by attempt.
  package func logs(ofRun run: String, grid: Int) async throws -> [AttemptLog] {
    try await rows(
      AttemptLog.self, from: "report.log_of_run($1, $2)", [.integer(grid), .text(run)])
  }

  /// True if nothing more will be trained of a run as it is.
  package func isOver(run: String, grid: Int) async throws -> Bool {
    let states = try await database.query(
      "select state from report.run where grid_id = $1 and run = $2", [.integer(grid), .text(run)])
    return !["waiting", "running"].contains(states.single ?? "")
  }

  /// A run's stages, in their order.
  package func stages(ofRun run: Int) async throws -> [StageListing] {
    try await rows(
      StageListing.self, from: "report.stage s join report.run_stage rs on rs.stage_id = s.id",
      [.integer(run)], "where rs.run_id = $1 order by rs.position")
  }

  package func measurements(ofRun run: Int) async throws -> [MeasurementListing] {
    try await rows(
      MeasurementListing.self, from: "report.run_measurement", [.integer(run)],
      "where run_id = $1 order by samples")
  }

  /// Stages whose digests cannot be computed again: an earlier version did not keep the text.
  package func unverifiableStages() async throws -> Int? {
    try await database.query("select count(*) from report.stage where not is_verifiable").single
      .flatMap { Int($0) }
  }

  package func contradictions() async throws -> [Contradiction] {
    try await rows(Contradiction.self, from: "report.contradiction")
  }
}
