import Experiments
import Foundation
import Postgres
import Values

/// Calls of workers: claiming, renewing, and the fenced writes for a stage.
extension JobQueue {
  package func register(worker: WorkerRow, patience: Database.Patience) async throws -> Int {
    let rows = try await database.query(
      "select api.register_worker($1)", [worker.json.parameter], patience: patience)
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

  package func datasetsWanted() async throws -> [WantedDataset] {
    try await database.query(
      "select \(WantedDataset.columnList) from api.datasets_wanted()", timeout: .seconds(30),
      keeping: true
    ).read(as: WantedDataset.self)
  }

  /// Says which of the data sets that are wanted a worker cannot open: reasons by digest.
  package func noteMissingData(worker: Int, _ reasons: [String: String]) async throws {
    let missing = JSON.object(
      reasons.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })
    _ = try await database.query(
      "select api.note_missing_data($1, $2)", [.integer(worker), missing.parameter],
      timeout: .seconds(30))
  }

  /// A packed folder of code; nil where the queue has none of this digest.
  package func code(_ digest: String) async throws -> [UInt8]? {
    let text = try await database.query(
      "select translate(encode(api.code($1), 'base64'), E'\\n', '')", [.text(digest)],
      timeout: .seconds(60)
    ).single
    return text.flatMap { Data(base64Encoded: $0) }.map { [UInt8]($0) }
  }

  package func claim(_ request: ClaimRequest, lease: Duration) async throws -> Claims {
    let rows = try await database.query(
      "select api.claim($1, $2)", [request.json.parameter, interval(lease)],
      timeout: .seconds(30), keeping: true)
    return try Claims(
      rows.map { row in
        guard let node = JSON.read(row.values.first ?? nil) else {
          throw UnexpectedAnswer(function: "api.claim")
        }
        return node
      })
  }

  /// The queue's verdict on a stage that a worker trains.
  package enum Verdict: String, ColumnWord { case hold, paused, lost, cancelled }

  /// The queue's answer to a heartbeat.
  package struct Heartbeat: Sendable {
    package let isKnown: Bool
    package let verdicts: [(Lease, Verdict)]
    /// How many workers idle; nil where this one does not.
    package let idleWorkers: Int?

    private struct Judged: TypedRow {
      var stage = 0
      var attempt = 0
      var verdict = Verdict.hold

      static let sqlName = "a stage of api.heartbeat"
      static let columns: [Column<Judged>] = [
        .init("stage", \.stage), .init("attempt", \.attempt), .init("verdict", \.verdict),
      ]
      init() {}
    }

    private struct Worker: TypedRow {
      enum Known: String, ColumnWord { case known, unknown }
      var worker = Known.unknown
      var idleWorkers: Int?

      static let sqlName = "api.heartbeat"
      static let columns: [Column<Worker>] = [
        .init("worker", \.worker), .init("idle_workers", \.idleWorkers),
      ]
      init() {}
    }

    init(_ reply: JSON) throws(UnreadableRow) {
      let worker = try Worker(reply)
      (isKnown, idleWorkers) = (worker.worker == .known, worker.idleWorkers)
      verdicts = try reply.rows("stages", as: Judged.self).map {
        (Lease(stage: $0.stage, attempt: $0.attempt), $0.verdict)
      }
    }
  }

  package func heartbeat(
    worker: Int, held: [HeldStage], idle: Bool, lease: Duration, timeout: Duration
  ) async throws -> Heartbeat {
    let rows = JSON.array(held.map(\.json))
    return try Heartbeat(
      try await document(
        "heartbeat", [.integer(worker), rows.parameter, .bool(idle), interval(lease)],
        timeout: timeout))
  }
}

/// A data set that ready stages want.
package struct WantedDataset: TypedRow {
  package private(set) var digest = ""
  package private(set) var description = JSON.null

  package static let sqlName = "api.datasets_wanted"
  package static let columns: [Column<WantedDataset>] = [
    .init("digest", \.digest), .init("description", \.description),
  ]
  package init() {}
}

/// The writes below are fenced: false means that the lease is no longer held, and nothing was written.
extension JobQueue {
  package func record(_ lease: Lease, _ measurements: [MeasurementRow]) async throws -> Bool {
    try await fenced("record", lease, [documents(measurements)])
  }

  package func registerCheckpoint(
    _ lease: Lease, checkpoint: CheckpointRow, measurements: [MeasurementRow],
    progress: ProgressRow
  ) async throws -> Bool {
    try await fenced(
      "register_checkpoint", lease, written(checkpoint, measurements, progress))
  }

  package func finish(
    _ lease: Lease, checkpoint: CheckpointRow, measurements: [MeasurementRow],
    progress: ProgressRow
  ) async throws -> Bool {
    try await fenced("finish", lease, written(checkpoint, measurements, progress))
  }

  /// Finishes a stage and claims in one transaction. If that call fails, its effect is unknown. Then
  /// this sends the finish alone, until the queue answers, and `claimed` has the error of the first
  /// call. Heartbeats do not name stages that the first call may have claimed, so the queue takes them
  /// back.
  package func finish(
    _ lease: Lease, checkpoint: CheckpointRow, measurements: [MeasurementRow],
    progress: ProgressRow, claiming request: ClaimRequest, for duration: Duration
  ) async throws -> (isOurs: Bool, claimed: Result<Claims, any Error>) {
    let parameters =
      [.integer(lease.stage), .integer(lease.attempt)]
      + written(checkpoint, measurements, progress)
      + [request.json.parameter, interval(duration)]
    do {
      let rows = try await database.query(
        "select accepted, claimed from api.finish_and_claim(\(places(parameters)))", parameters,
        timeout: .seconds(30), keeping: true)
      guard let row = try rows.read(as: FinishedAndClaimed.self).first,
        let stages = row.claimed.items
      else { throw UnexpectedAnswer(function: "api.finish_and_claim") }
      return (row.isAccepted, Result { try Claims(stages) })
    } catch {
      let isOurs = try await finish(
        lease, checkpoint: checkpoint, measurements: measurements, progress: progress)
      return (isOurs, .failure(error))
    }
  }

  private struct FinishedAndClaimed: TypedRow {
    var isAccepted = false
    var claimed = JSON.null

    static let sqlName = "api.finish_and_claim"
    static let columns: [Column<FinishedAndClaimed>] = [
      .init("accepted", \.isAccepted), .init("claimed", \.claimed),
    ]
    init() {}
  }

  package func diverge(
    _ lease: Lease, reason: String, measurements: [MeasurementRow], progress: ProgressRow
  ) async throws -> Bool {
    try await fenced(
      "diverge", lease, [.text(reason), documents(measurements), progress.json.parameter])
  }

  package func fail(_ lease: Lease, reason: String, permanent: Bool, progress: ProgressRow)
    async throws -> Bool
  {
    try await fenced(
      "fail", lease, [.text(reason), .bool(permanent), progress.json.parameter])
  }

  /// `delay` holds the stage back, for instance while a disk is full.
  package func release(
    _ lease: Lease, reason: String, delay: Duration?, progress: ProgressRow
  ) async throws -> Bool {
    // Where the queue does not hear it the lease runs out: the stage's next worker waits that long.
    try await fenced(
      "release", lease, [.text(reason), delay.map(interval) ?? .null, progress.json.parameter],
      patience: .seconds(15))
  }

  package func reportDamage(_ lease: Lease, checkpoint: Int, reason: String) async throws -> Bool {
    try await fenced("report_damage", lease, [.integer(checkpoint), .text(reason)])
  }

  private func documents(_ measurements: [MeasurementRow]) -> Parameter {
    JSON.array(measurements.map(\.json)).parameter
  }

  private func written(
    _ checkpoint: CheckpointRow, _ measurements: [MeasurementRow], _ progress: ProgressRow
  ) -> [Parameter] {
    [checkpoint.json.parameter, documents(measurements), progress.json.parameter]
  }

  private func fenced(
    _ function: String, _ lease: Lease, _ rest: [Parameter], patience: Duration? = nil
  ) async throws -> Bool {
    let parameters: [Parameter] = [.integer(lease.stage), .integer(lease.attempt)] + rest
    let rows = try await database.query(
      "select api.\(function)(\(places(parameters)))", parameters, timeout: .seconds(30),
      patience: .upTo(patience ?? JobQueue.longestOutage), keeping: true)
    guard let isOurs = Bool.read(rows.single) else {
      throw UnexpectedAnswer(function: "api.\(function)")
    }
    return isOurs
  }
}
