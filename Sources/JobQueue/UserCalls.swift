import Postgres
import Values

/// Calls of users: submitting, and changing many rows at once.
extension JobQueue {
  /// After a submission with this many new stages, the server's statistics of the table are out of date.
  private static let manyStages = 50_000

  package func submit(_ submission: Submission) async throws -> Submitted {
    let answer = try await database.withConnection { connection throws(PostgresError) in
      try await connection.transaction { connection throws(PostgresError) in
        try submission.send(on: connection)
      }
    }
    guard let reply = answer.flatMap({ try? JSON(parsing: $0) }) else {
      throw UnexpectedAnswer(function: "api.close_submission")
    }
    let submitted = try Submitted(reply)
    if submitted.stages.created >= JobQueue.manyStages {
      // Counting them would read every row until a vacuum has passed. A login that may not vacuum
      // waits a minute for the server's own: nothing is lost.
      _ = try? await database.query("vacuum (analyze) jobs.stage")
    }
    return submitted
  }

  package enum Doing: Sendable {
    case forReal
    /// In a transaction that is rolled back.
    case rehearsal
  }

  private func reply(
    _ function: String, _ parameters: [Parameter], _ doing: Doing
  ) async throws -> JSON {
    let sql = "select api.\(function)(\(places(parameters)))"
    let rows =
      switch doing {
      case .forReal: try await database.query(sql, parameters)
      case .rehearsal:
        try await database.withConnection { connection throws(PostgresError) in
          try await connection.rehearse(sql, parameters)
        }
      }
    return try JobQueue.document(of: rows, function)
  }

  private func change(
    _ function: String, _ parameters: [Parameter], _ doing: Doing
  ) async throws -> Touched {
    try Touched(try await reply(function, parameters, doing))
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

  /// Gives the stages that will be tried again.
  package func retry(grid: String, run: String?, _ doing: Doing = .forReal) async throws
    -> Touched
  {
    try await change("retry", [.text(grid), Parameter(run)], doing)
  }

  /// Pauses a grid, or the whole queue where it is nil.
  package func pause(grid: String?, _ doing: Doing = .forReal) async throws -> Touched {
    try await change("pause", [Parameter(grid)], doing)
  }

  package func resume(grid: String?, _ doing: Doing = .forReal) async throws -> Touched {
    try await change("resume", [Parameter(grid)], doing)
  }

  /// Tries all parked stages again, those of a grid, or one.
  package func unpark(grid: String?, stage: Int?, _ doing: Doing = .forReal) async throws
    -> Touched
  {
    try await change("unpark", [Parameter(grid), Parameter(stage)], doing)
  }

  /// How much is kept of what is done: docs/CLI.md.
  package enum Retention: String, Sendable, CaseIterable {
    case stageEnds = "stage-ends"
    case last, final
  }

  /// Files whose checkpoints were given up, or would be.
  package func collect(
    _ policy: Retention, store: String, _ doing: Doing
  ) async throws -> [CollectedFile] {
    try await reply("gc", [.text(policy.rawValue), .text(store)], doing)
      .rows("files", as: CollectedFile.self)
  }

  /// Whether the stage that ended with the checkpoint is trained again.
  package func reportLost(checkpoint: Int, reason: String) async throws -> Bool {
    try LostCheckpoint(
      try await reply("report_lost", [.integer(checkpoint), .text(reason)], .forReal)
    ).isTrainedAgain
  }

  /// Has the queue forget all checkpoints of a store that is gone for good.
  package func forget(store: String, _ doing: Doing) async throws -> ForgottenStore {
    try ForgottenStore(try await reply("forget_store", [.text(store)], doing))
  }

  package func delete(grid: String) async throws -> Deletion {
    try Deletion(try await document("delete_grid", [.text(grid)]))
  }

  package func state(grid: String?, patience: Database.Patience = .none) async throws -> State {
    try State(try await document("queue_state", [Parameter(grid)], patience: patience))
  }
}

/// A submission's outcome.
package struct Submitted: TypedRow {
  package private(set) var id = 0
  package private(set) var runs = 0
  package private(set) var stages = Stages()
  package private(set) var isUnchanged = false
  package private(set) var revived = 0
  /// Stages that failed or are parked.
  package private(set) var failed = 0

  package struct Stages: TypedRow {
    package private(set) var created = 0
    /// Stages that several runs of the grid want.
    package private(set) var shared = 0
    /// Stages that were there before.
    package private(set) var reused = 0

    package static let sqlName = "stages of a submission"
    package static let columns: [Column<Stages>] = [
      .init("created", \.created), .init("shared", \.shared), .init("reused", \.reused),
    ]
    package init() {}
  }

  package static let sqlName = "api.close_submission"
  package static let columns: [Column<Submitted>] = [
    .init("id", \.id), .init("runs", \.runs), .init("stages", \.stages),
    .init("unchanged", \.isUnchanged), .init("revived", \.revived), .init("failed", \.failed),
  ]
  package init() {}

  package var created: Int { stages.created }
  package var shared: Int { stages.shared }
  package var reused: Int { stages.reused }
}

/// The runs and stages that a change touches, or would touch where it is only rehearsed.
package struct Touched: TypedRow {
  package private(set) var stages = 0
  private var runsKnown: Int?
  private var runningKnown: Int?

  package var runs: Int { runsKnown ?? 0 }
  /// Stages of these that are being trained.
  package var running: Int { runningKnown ?? 0 }

  package static let sqlName = "a change"
  package static let columns: [Column<Touched>] = [
    .init("stages", \.stages), .init("runs", \.runsKnown), .init("running", \.runningKnown),
  ]
  package init() {}
}

/// A file whose checkpoint was given up.
package struct CollectedFile: TypedRow {
  package private(set) var file = ""
  package private(set) var bytes = 0

  package static let sqlName = "api.gc"
  package static let columns: [Column<CollectedFile>] = [
    .init("file", \.file), .init("bytes", \.bytes),
  ]
  package init() {}
}

struct LostCheckpoint: TypedRow {
  private(set) var isTrainedAgain = false

  static let sqlName = "api.report_lost"
  static let columns: [Column<LostCheckpoint>] = [.init("trained_again", \.isTrainedAgain)]
  init() {}
}

/// The effect of forgetting a store.
package struct ForgottenStore: TypedRow {
  package private(set) var checkpoints = 0
  /// Stages that were done and are trained again, because others go on from them.
  package private(set) var trainedAgain = 0
  /// Stages that were not done and go back to an earlier checkpoint or to their start.
  package private(set) var setBack = 0

  package static let sqlName = "api.forget_store"
  package static let columns: [Column<ForgottenStore>] = [
    .init("checkpoints", \.checkpoints), .init("trained_again", \.trainedAgain),
    .init("set_back", \.setBack),
  ]
  package init() {}
}

/// The outcome of deleting a grid.
package struct Deletion: Sendable {
  package let runs: Int
  package let stages: Int
  /// Files that no stage wants any more.
  package let checkpoints: [File]

  package struct File: TypedRow {
    package private(set) var store = ""
    package private(set) var file = ""

    package static let sqlName = "a file of api.delete_grid"
    package static let columns: [Column<File>] = [.init("store", \.store), .init("file", \.file)]
    package init() {}
  }

  private struct Counts: TypedRow {
    var runs = 0
    var stages = 0

    static let sqlName = "api.delete_grid"
    static let columns: [Column<Counts>] = [.init("runs", \.runs), .init("stages", \.stages)]
    init() {}
  }

  init(_ reply: JSON) throws(UnreadableRow) {
    let counts = try Counts(reply)
    (runs, stages) = (counts.runs, counts.stages)
    checkpoints = try reply.rows("checkpoints", as: File.self)
  }
}

extension JobQueue {
  /// Stages by state, of one grid or of all.
  package struct State: Sendable {
    package let counts: [String: Int]
    /// Nothing is ready, running, or able to become ready.
    package let isEmpty: Bool

    init(_ reply: JSON) throws(UnreadableRow) {
      var counts: [String: Int] = [:]
      for member in reply.members ?? [] where member.key != "empty" {
        guard let count = member.value.intValue else {
          throw UnreadableRow(
            row: "api.queue_state", column: member.key, type: "bigint",
            reason: member.value.kindName)
        }
        counts[member.key] = count
      }
      guard let isEmpty = reply["empty"]?.boolValue else {
        throw UnreadableRow(
          row: "api.queue_state", column: "empty", type: "boolean", reason: "nothing")
      }
      (self.counts, self.isEmpty) = (counts, isEmpty)
    }
  }
}
