import Experiments
import Postgres
import Values

/// The right to write for a stage: valid as long as no newer attempt of it exists.
package struct Lease: Hashable, Sendable {
  package let stage: Int
  package let attempt: Int

  package init(stage: Int, attempt: Int) {
    self.stage = stage
    self.attempt = attempt
  }
}

/// A stage that this worker may train.
package struct ClaimedStage: TypedRow {
  private var stage = 0
  private var attempt = 0
  package private(set) var digest = ""
  /// Names the engine that trains it.
  package private(set) var backend = ""
  package private(set) var seed = 0
  package private(set) var spec = JSON.null
  package private(set) var law = JSON.null
  /// Sample clock at the start and at the end.
  package private(set) var start = 0
  package private(set) var end = 0
  package private(set) var startUpdates = 0
  package private(set) var updates = 0
  /// How the gradient noise is probed; nil where it is not.
  package private(set) var probe: JSON?
  /// Bytes that the stage was planned to take.
  package private(set) var memoryBytes = 0
  /// Where to go on from; nil at the start of training.
  package private(set) var resume: Resume?
  /// Names of runs that want it, the first few.
  package private(set) var runs: [String] = []

  package var lease: Lease { Lease(stage: stage, attempt: attempt) }

  package static let sqlName = "a claimed stage"
  package static let columns: [Column<ClaimedStage>] = [
    .init("stage", \.stage), .init("attempt", \.attempt), .init("digest", \.digest),
    .init("backend", \.backend), .init("seed", \.seed), .init("spec", \.spec), .init("law", \.law),
    .init("start_samples", \.start), .init("end_samples", \.end),
    .init("start_updates", \.startUpdates), .init("updates", \.updates), .init("probe", \.probe),
    .init("memory_bytes", \.memoryBytes), .init("resume", \.resume), .init("runs", \.runs),
  ]

  package init() {}

  /// The checkpoint that training goes on from.
  package struct Resume: TypedRow {
    package private(set) var checkpoint = 0
    package private(set) var file = ""
    package private(set) var digest = ""
    package private(set) var samples = 0

    package static let sqlName = "the checkpoint of a claimed stage"
    package static let columns: [Column<Resume>] = [
      .init("checkpoint", \.checkpoint), .init("file", \.file),
      .init("digest", \.digest), .init("samples", \.samples),
    ]

    package init() {}
  }
}

/// The stages that one claim took.
package struct Claims: Sendable {
  package private(set) var stages: [ClaimedStage] = []
  /// Stages of another version of jobctl. The worker gives them back.
  package private(set) var unreadable: [(lease: Lease, reason: UnreadableRow)] = []

  package init() {}

  /// Throws where not even the number of a stage can be read: heartbeats do not name it, so that the
  /// queue takes it back.
  init(_ documents: [JSON]) throws(UnreadableRow) {
    for document in documents {
      let taken = try Taken(document)
      do throws(UnreadableRow) { stages.append(try ClaimedStage(document)) } catch {
        unreadable.append((Lease(stage: taken.stage, attempt: taken.attempt), error))
      }
    }
  }

  private struct Taken: TypedRow {
    var stage = 0
    var attempt = 0

    static let sqlName = "a claimed stage"
    static let columns: [Column<Taken>] = [.init("stage", \.stage), .init("attempt", \.attempt)]
    init() {}
  }
}
