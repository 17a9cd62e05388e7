import Experiments
import Foundation
import Postgres
import Values

/// The queue as Swift sees it: one method for each function of schema `api`. What the functions mean
/// is written where they are, in sql/functions.
package struct JobQueue: Sendable {
  package let database: Database

  package init(_ database: Database) { self.database = database }

  /// An answer of the database that this program does not understand.
  package struct UnexpectedAnswer: Error, CustomStringConvertible {
    package let function: String
    package var description: String { "\(function) gave an answer that cannot be read" }
  }

  // MARK: - Users

  /// What became of a submission.
  package struct Submitted: Sendable {
    package var id: Int
    package var runs: Int
    package var created: Int
    package var shared: Int
    package var reused: Int
    package var isUnchanged: Bool
    package var revived: Int
    package var failed: Int
  }

  private static let manyStages = 50_000

  package func submit(_ submission: Submission) async throws -> Submitted {
    let answer = try await database.withConnection { connection throws(PostgresError) in
      try await connection.transaction { connection throws(PostgresError) in
        try submission.send(on: connection)
      }
    }
    guard let reply = answer.flatMap({ try? JSON(parsing: $0) }),
      let id = reply["id"]?.intValue, let runs = reply["runs"]?.intValue,
      let stages = reply["stages"], let created = stages["created"]?.intValue,
      let shared = stages["shared"]?.intValue, let reused = stages["reused"]?.intValue
    else { throw UnexpectedAnswer(function: "api.close_submission") }
    if created >= JobQueue.manyStages {
      // Counting them would read every row until a vacuum has passed. Who may not do it waits a minute
      // for the server's own.
      _ = try? await database.query("vacuum (analyze) jobs.stage")
    }
    return Submitted(
      id: id, runs: runs, created: created, shared: shared, reused: reused,
      isUnchanged: reply["unchanged"]?.boolValue ?? false, revived: reply["revived"]?.intValue ?? 0,
      failed: reply["failed"]?.intValue ?? 0)
  }

  /// What a change of many rows touches, or would touch where it is only rehearsed.
  package struct Touched: Sendable {
    package var runs: Int
    package var stages: Int
    /// Of the stages, those that are being trained.
    package var running: Int
  }

  package enum Doing: Sendable {
    case forReal
    /// In a transaction that is rolled back.
    case rehearsal
  }

  private func change(
    _ function: String, _ parameters: [Parameter], _ doing: Doing
  ) async throws -> Touched {
    let reply = try await reply(function, parameters, doing)
    return Touched(
      runs: reply["runs"]?.intValue ?? 0, stages: reply["stages"]?.intValue ?? 0,
      running: reply["running"]?.intValue ?? 0)
  }

  private func reply(
    _ function: String, _ parameters: [Parameter], _ doing: Doing
  ) async throws -> JSON {
    let places = (1...parameters.count).map { "$\($0)" }.joined(separator: ", ")
    let sql = "select api.\(function)(\(places))"
    let rows =
      switch doing {
      case .forReal: try await database.query(sql, parameters)
      case .rehearsal:
        try await database.withConnection { connection throws(PostgresError) in
          try await connection.rehearse(sql, parameters)
        }
      }
    guard let reply = rows.single.flatMap({ try? JSON(parsing: $0) }) else {
      throw UnexpectedAnswer(function: "api.\(function)")
    }
    return reply
  }

  package func setPriority(
    grid: String, _ priority: Int, _ doing: Doing = .forReal
  ) async throws -> Touched {
    try await change("set_priority", [.text(grid), .integer(priority)], doing)
  }

  package func cancel(grid: String, run: String?, _ doing: Doing = .forReal) async throws
    -> Touched
  {
    try await change("cancel", [.text(grid), Parameter(run)], doing)
  }

  /// Stages that will be tried again.
  package func retry(grid: String, run: String?, _ doing: Doing = .forReal) async throws
    -> Touched
  {
    try await change("retry", [.text(grid), Parameter(run)], doing)
  }

  /// A grid, or the whole queue where it is nil.
  package func pause(grid: String?, _ doing: Doing = .forReal) async throws -> Touched {
    try await change("pause", [Parameter(grid)], doing)
  }

  package func resume(grid: String?, _ doing: Doing = .forReal) async throws -> Touched {
    try await change("resume", [Parameter(grid)], doing)
  }

  /// All parked stages, those of a grid, or one.
  package func unpark(grid: String?, stage: Int?, _ doing: Doing = .forReal) async throws
    -> Touched
  {
    try await change("unpark", [Parameter(grid), Parameter(stage)], doing)
  }

  /// What is kept of what is done: docs/CLI.md.
  package enum Retention: String, Sendable, CaseIterable {
    case stageEnds = "stage-ends"
    case last, final
  }

  /// Files whose checkpoints were given up, or would be.
  package func collect(
    _ policy: Retention, store: String, _ doing: Doing
  ) async throws -> [(file: String, bytes: Int)] {
    let reply = try await reply(
      "gc", [.text(policy.rawValue), .text(store)], doing)
    return (reply["files"]?.items ?? []).compactMap { node in
      guard let file = node["file"]?.stringValue, let bytes = node["bytes"]?.intValue else {
        return nil
      }
      return (file, bytes)
    }
  }

  /// Whether the stage that ended with the checkpoint is trained again.
  package func reportLost(checkpoint: Int, reason: String) async throws -> Bool {
    let reply = try await reply(
      "report_lost", [.integer(checkpoint), .text(reason)], .forReal)
    return reply["trained_again"]?.boolValue ?? false
  }

  package struct Deletion: Sendable {
    package var runs: Int
    package var stages: Int
    package var checkpoints: [(store: String, file: String)]
  }

  package func delete(grid: String) async throws -> Deletion {
    let reply = try await json("delete_grid", "select api.delete_grid($1)", [.text(grid)])
    let files = (reply["checkpoints"]?.items ?? []).compactMap { node in
      node["store"]?.stringValue.flatMap { store in node["file"]?.stringValue.map { (store, $0) } }
    }
    return Deletion(
      runs: reply["runs"]?.intValue ?? 0, stages: reply["stages"]?.intValue ?? 0, checkpoints: files
    )
  }

  /// Stages by state, of one grid or of all.
  package struct State: Sendable {
    package var counts: [String: Int]
    /// Nothing is ready, running, or able to become ready.
    package var isEmpty: Bool
  }

  package func state(grid: String?, patience: Database.Patience = .none) async throws -> State {
    let reply = try await json(
      "queue_state", "select api.queue_state($1)", [Parameter(grid)], patience: patience)
    var counts: [String: Int] = [:]
    for member in reply.members ?? [] { counts[member.key] = member.value.intValue }
    return State(counts: counts, isEmpty: reply["empty"]?.boolValue ?? false)
  }

  // MARK: - Workers

  package func register(worker: JSON, patience: Database.Patience) async throws -> Int {
    let rows = try await database.query(
      "select api.register_worker($1)", [.text(worker.encoded())], patience: patience)
    guard let id = rows.single.flatMap({ Int($0) }) else {
      throw UnexpectedAnswer(function: "api.register_worker")
    }
    return id
  }

  package func register(store: String, path: String, host: String) async throws {
    _ = try await database.query(
      "select api.register_store($1, $2, $3)", [.text(store), .text(path), .text(host)],
      patience: .upTo(.seconds(60)))
  }

  package func retire(worker: Int) async throws {
    _ = try await database.query(
      "select api.retire_worker($1)", [.integer(worker)], timeout: .seconds(5))
  }

  package func datasetsWanted() async throws -> [(digest: String, description: JSON)] {
    try await database.query(
      "select digest, description from api.datasets_wanted()", timeout: .seconds(30), keeping: true
    ).compactMap {
      guard let digest = $0["digest"], let text = $0["description"],
        let node = try? JSON(parsing: text)
      else { return nil }
      return (digest, node)
    }
  }

  /// Which of the data sets that are wanted a worker cannot open: reasons by digest.
  package func noteMissingData(worker: Int, _ reasons: [String: String]) async throws {
    let missing = JSON.object(
      reasons.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })
    _ = try await database.query(
      "select api.note_missing_data($1, $2)", [.integer(worker), .text(missing.encoded())],
      timeout: .seconds(30))
  }

  package struct Claim: Sendable {
    package var worker: Int
    package var slots: Int
    package var datasets: [String]
    package var stores: [String]
    package var memory: Int
    package var grid: String?
    package var threads: Int
    package var fingerprint: String

    package init(
      worker: Int, slots: Int, datasets: [String], stores: [String], memory: Int, grid: String?,
      threads: Int, fingerprint: String
    ) {
      self.worker = worker
      self.slots = slots
      self.datasets = datasets
      self.stores = stores
      self.memory = memory
      self.grid = grid
      self.threads = threads
      self.fingerprint = fingerprint
    }
  }

  package func claim(_ claim: Claim, lease: Duration) async throws -> [ClaimedStage] {
    let rows = try await database.query(
      "select api.claim($1, $2, $3, $4)", parameters(claim, lease), timeout: .seconds(30),
      keeping: true)
    // One that cannot be read is given back by heartbeats that do not name it; the others are trained.
    return rows.compactMap { row in
      row.values[0].flatMap { try? JSON(parsing: $0) }.flatMap(ClaimedStage.init)
    }
  }

  private func parameters(_ claim: Claim, _ lease: Duration) -> [Parameter] {
    let request: JSON = [
      "datasets": .array(claim.datasets.map(JSON.string)),
      "stores": .array(claim.stores.map(JSON.string)),
      "numerics_version": .integer(numericsVersion),
      "preparation": .integer(preparationVersion),
      "backends": [.string(Backend.native.rawValue)],
      "memory_bytes": .integer(claim.memory), "grid": claim.grid.map(JSON.string) ?? .null,
      "threads": .integer(claim.threads), "fingerprint": .string(claim.fingerprint),
    ]
    return [
      .integer(claim.worker), .integer(claim.slots), .text(request.encoded()), interval(lease),
    ]
  }

  package enum Verdict: String, Sendable { case hold, paused, lost, cancelled }

  package func heartbeat(
    worker: Int, held: [Held], idle: Bool, lease: Duration, timeout: Duration
  ) async throws -> (isKnown: Bool, verdicts: [(Lease, Verdict)], idleWorkers: Int?) {
    let rows = JSON.array(held.map(\.json))
    let reply = try await json(
      "heartbeat", "select api.heartbeat($1, $2, $3, $4)",
      [.integer(worker), .text(rows.encoded()), .bool(idle), interval(lease)], timeout: timeout)
    let verdicts = (reply["stages"]?.items ?? []).compactMap { node -> (Lease, Verdict)? in
      guard let stage = node["stage"]?.intValue, let attempt = node["attempt"]?.intValue,
        let verdict = node["verdict"]?.stringValue.flatMap(Verdict.init(rawValue:))
      else { return nil }
      return (Lease(stage: stage, attempt: attempt), verdict)
    }
    return (
      reply["worker"]?.stringValue == "known", verdicts, reply["idle_workers"]?.intValue
    )
  }

  /// A worker keeps its state in memory while the database is away, and asks again.
  private static let longestOutage = Duration.seconds(24 * 3600)

  // The writes below are fenced: false means that the lease is no longer held, and nothing was written.

  package func record(_ lease: Lease, _ measurements: [JSON]) async throws -> Bool {
    try await fenced(
      "select api.record($1, $2, $3)", lease, [.text(JSON.array(measurements).encoded())])
  }

  package func registerCheckpoint(
    _ lease: Lease, checkpoint: JSON, measurements: [JSON], totals: JSON
  ) async throws -> Bool {
    try await fenced(
      "select api.register_checkpoint($1, $2, $3, $4, $5)", lease,
      [checkpoint, .array(measurements), totals].map { .text($0.encoded()) })
  }

  package func finish(
    _ lease: Lease, checkpoint: JSON, measurements: [JSON], totals: JSON
  ) async throws -> Bool {
    try await fenced(
      "select api.finish($1, $2, $3, $4, $5)", lease,
      [checkpoint, .array(measurements), totals].map { .text($0.encoded()) })
  }

  /// Finishes a stage and claims in one transaction. Where that is not known to have been done, the
  /// stage is finished by itself, as often as it takes, and `claimed` says what went wrong: what the
  /// first try may have claimed is given back by heartbeats that do not name it.
  package func finish(
    _ lease: Lease, checkpoint: JSON, measurements: [JSON], totals: JSON, claiming claim: Claim,
    for duration: Duration
  ) async throws -> (isOurs: Bool, claimed: Result<[ClaimedStage], any Error>) {
    let written = [checkpoint, .array(measurements), totals].map { Parameter.text($0.encoded()) }
    do {
      let rows = try await database.query(
        "select accepted, claimed from api.finish_and_claim($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        [.integer(lease.stage), .integer(lease.attempt)] + written + parameters(claim, duration),
        timeout: .seconds(30), keeping: true)
      guard let row = rows.map({ $0 }).first, let accepted = row["accepted"],
        let stages = row["claimed"].flatMap({ try? JSON(parsing: $0) })?.items
      else { throw UnexpectedAnswer(function: "api.finish_and_claim") }
      // One that cannot be read is given back as one that was not heard of.
      return (accepted == "t", .success(stages.compactMap(ClaimedStage.init)))
    } catch {
      let isOurs = try await finish(
        lease, checkpoint: checkpoint, measurements: measurements, totals: totals)
      return (isOurs, .failure(error))
    }
  }

  package func diverge(
    _ lease: Lease, reason: String, measurements: [JSON], totals: JSON
  ) async throws -> Bool {
    try await fenced(
      "select api.diverge($1, $2, $3, $4, $5)", lease,
      [.text(reason), .text(JSON.array(measurements).encoded()), .text(totals.encoded())])
  }

  package func fail(_ lease: Lease, reason: String, permanent: Bool, totals: JSON) async throws
    -> Bool
  {
    try await fenced(
      "select api.fail($1, $2, $3, $4, $5)", lease,
      [.text(reason), .bool(permanent), .text(totals.encoded())])
  }

  /// `delay` holds the stage back, for instance while a disk is full.
  package func release(
    _ lease: Lease, reason: String, delay: Duration?, totals: JSON
  ) async throws -> Bool {
    // Where nobody hears it the lease runs out, which costs the stage's next worker ten seconds.
    try await fenced(
      "select api.release($1, $2, $3, $4, $5)", lease,
      [.text(reason), delay.map(interval) ?? .null, .text(totals.encoded())],
      patience: .seconds(15))
  }

  package func reportDamage(_ lease: Lease, checkpoint: Int, reason: String) async throws -> Bool {
    try await fenced(
      "select api.report_damage($1, $2, $3, $4)", lease, [.integer(checkpoint), .text(reason)])
  }

  // MARK: - Plumbing

  private func fenced(
    _ sql: String, _ lease: Lease, _ rest: [Parameter], patience: Duration? = nil
  ) async throws -> Bool {
    let parameters: [Parameter] = [.integer(lease.stage), .integer(lease.attempt)] + rest
    let rows = try await database.query(
      sql, parameters, timeout: .seconds(30), patience: .upTo(patience ?? JobQueue.longestOutage),
      keeping: true)
    return rows.single == "t"
  }

  private func json(
    _ function: String, _ sql: String, _ parameters: [Parameter], timeout: Duration? = nil,
    patience: Database.Patience = .none
  ) async throws -> JSON {
    let rows = try await database.query(
      sql, parameters, timeout: timeout, patience: patience, keeping: true)
    guard let text = rows.single, let node = try? JSON(parsing: text) else {
      throw UnexpectedAnswer(function: "api.\(function)")
    }
    return node
  }

  private func interval(_ duration: Duration) -> Parameter {
    .text("\(duration / .milliseconds(1)) milliseconds")
  }
}
