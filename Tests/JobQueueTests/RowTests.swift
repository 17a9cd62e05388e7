import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// Each thing that crosses to SQL has one list of columns in Swift and one type in SQL: they agree, and
/// what is not there is an error that names the column.
@Suite struct RowTests {
  let queue: JobQueue

  init() async throws { queue = try await TestCluster.queue() }

  private func check<Row: TypedRow>(_ row: Row.Type) async throws {
    let rows = try await queue.database.query(
      """
      select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) as declared
      from pg_attribute a where a.attrelid = $1::regclass and a.attnum > 0 order by a.attnum
      """, [.text(Row.sqlName)])
    let declared = rows.compactMap { $0["declared"] }
    #expect(declared == Row.columns.map { "\($0.name) \($0.type)" }, "\(Row.sqlName)")
  }

  @Test func typesOfSQLHaveTheColumnsOfSwift() async throws {
    try await check(WorkerRow.self)
    try await check(ClaimRequest.self)
    try await check(ProgressRow.self)
    try await check(HeldStage.self)
    try await check(CheckpointRow.self)
    try await check(MeasurementRow.self)
    try await check(SubmittedSpec.self)
    try await check(SubmittedSetting.self)
    try await check(SubmittedSeed.self)
    try await check(SubmittedStage.self)
    // Every type of schema api is one of these.
    let types = try await queue.value(
      """
      select count(*) from pg_type t join pg_class c on c.oid = t.typrelid
      where t.typnamespace = 'api'::regnamespace and c.relkind = 'c'
      """)
    #expect(types == "10")
  }

  @Test func whatIsMissingInAnAnswerIsNamed() throws {
    var progress = ProgressRow(updates: 1, samples: 2, seconds: 3)
    progress.reason = "no room"
    let claimed: JSON = [
      "stage": 1, "attempt": 1, "digest": "d", "backend": "native", "seed": 1, "spec": [:],
      "law": [:], "start_samples": 0, "end_samples": 1, "start_updates": 0, "updates": 1,
      "probe": nil,
      "memory_bytes": 1, "resume": nil, "runs": ["a"],
    ]
    let resume: JSON = [
      "checkpoint": 1, "file": "f", "digest": "d", "samples": 1,
    ]
    let unnoticed =
      try unnoticedDamage(progress)
      + unnoticedDamage(HeldStage(Lease(stage: 1, attempt: 2), progress))
      + unnoticedDamage(MeasurementRow()) + unnoticedDamage(CheckpointRow())
      + unnoticedDamage(WorkerRow()) + unnoticedDamage(ClaimRequest())
      + unnoticedDamage(ClaimedStage(claimed)) + unnoticedDamage(ClaimedStage.Resume(resume))
      + unnoticedDamage(RunningStage()) + unnoticedDamage(ReasonToWait())
      + unnoticedDamage(DataWanted()) + unnoticedDamage(ParkedStage()) + unnoticedDamage(Event())
      + unnoticedDamage(GridCounts()) + unnoticedDamage(WorkerListing())
      + unnoticedDamage(GridProgressRow()) + unnoticedDamage(CheckpointListing())
      + unnoticedDamage(StoredFile()) + unnoticedDamage(RunCheckpoint())
      + unnoticedDamage(Contradiction())
      + unnoticedDamage(StageListing()) + unnoticedDamage(MeasurementListing())
      + unnoticedDamage(ServerFacts()) + unnoticedDamage(KnownGrid())
    #expect(unnoticed == [])
  }

  /// Names and types of what a view or a function answers, compared with Swift's; texts may be of
  /// domains.
  private func compare<Row: TypedRow>(_ row: Row.Type, with source: String) async throws {
    let connection = try await Connection.open(queue.database.target)
    try await connection.run(
      script: "create temp view described as select \(Row.columnList) from \(source)")
    let rows = try await connection.query(
      """
      select format_type(atttypid, null) as type from pg_attribute
      where attrelid = 'pg_temp.described'::regclass and attnum > 0 order by attnum
      """)
    let types = rows.compactMap { $0["type"] }
    #expect(types.count == Row.columns.count)
    for (column, type) in zip(Row.columns, types) where column.type != "text" {
      #expect(column.type == type, "\(Row.sqlName) \(column.name)")
    }
  }

  @Test func viewsHaveTheTypesOfSwift() async throws {
    try await compare(KnownGrid.self, with: "report.submission")
    try await compare(RunningStage.self, with: "report.running(null)")
    try await compare(ReasonToWait.self, with: "report.reason_to_wait(null)")
    try await compare(DataWanted.self, with: "report.data_wanted(null)")
    try await compare(ParkedStage.self, with: "report.parked()")
    try await compare(Event.self, with: "report.latest_event(null, null, 1)")
    try await compare(GridCounts.self, with: "report.grid")
    try await compare(WorkerListing.self, with: "report.worker_listing")
    try await compare(GridProgressRow.self, with: "report.progress")
    try await compare(CheckpointListing.self, with: "report.checkpoint_of(null)")
    try await compare(StoredFile.self, with: "report.stored_file")
    try await compare(QueueIdentity.self, with: "report.queue")
    try await compare(StoreListing.self, with: "report.store")
    try await compare(StoreOutOfReach.self, with: "report.out_of_reach(null)")
    try await compare(RunCheckpoint.self, with: "report.run_checkpoint(1, 'a')")
    try await compare(Contradiction.self, with: "report.contradiction")
    try await compare(StageListing.self, with: "report.stage")
    try await compare(MeasurementListing.self, with: "report.run_measurement")
  }

  @Test func aValueOfAnotherTypeIsNamed() {
    let odd = CheckpointRow().json.setting(["samples"], to: "many")
    #expect {
      _ = try CheckpointRow(odd)
    } throws: {
      "\($0)".contains("\"many\"") && "\($0)".contains("samples") && "\($0)".contains("bigint")
    }
  }

  /// A real claim gives what Swift reads, and nothing besides but the priority, which the next claim of
  /// the session goes by.
  @Test func aClaimGivesTheColumnsOfSwift() async throws {
    let worker = Acting(queue: try await Acting.queueWithStore())
    try await worker.queue.submit(plan(smallGrid("g")))
    let number = try await worker.worker()
    let first = try #require(try await worker.claim(number).first)
    #expect(try await worker.finish(first))
    // The next goes on from a checkpoint.
    let request = ClaimRequest(
      worker: number, slots: 1, datasets: try await worker.queue.datasetsWanted().map(\.digest),
      stores: [worker.store], memory: 1 << 30, grid: nil, threads: 1, fingerprint: "test")
    let text = try await worker.queue.value(
      "select api.claim($1, '1 hour')", [.text(request.json.encoded())])
    let document = try JSON(parsing: try #require(text))
    #expect(
      Set(document.members?.map(\.key) ?? [])
        == Set(ClaimedStage.columns.map(\.name)).union(["priority"]))
    #expect(
      Set(document["resume"]?.members?.map(\.key) ?? [])
        == Set(ClaimedStage.Resume.columns.map(\.name)))
    #expect(try ClaimedStage(document).resume?.samples == first.end)
  }

  private struct Acting: ActsAsWorker { let queue: JobQueue }
}
