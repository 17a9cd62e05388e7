import Postgres
import Values

/// Rows of the views and functions of schema `report` that the command line reads, each with its list
/// of columns.

/// A stage that is being trained.
package struct RunningStage: TypedRow {
  package private(set) var stage = 0
  /// A run that wants it, and how many do.
  package private(set) var run = ""
  package private(set) var runs = 0
  /// Its place among the stages of that run, from 1.
  package private(set) var position = 0
  package private(set) var ofRun = 0
  package private(set) var batch = 0
  /// Of its first update, and of its last one.
  package private(set) var learningRate = 0.0
  package private(set) var learningRateEnd = 0.0
  package private(set) var updatesDone = 0
  package private(set) var updates = 0
  package private(set) var samplesPerSecond: Double?
  package private(set) var testAccuracy: Double?
  package private(set) var secondsLeft: Double?
  package private(set) var worker: String?
  /// The reason why it does not go on; nil while it does.
  package private(set) var reason: String?

  package static let sqlName = "report.running"
  package static let columns: [Column<RunningStage>] = [
    .init("stage_id", \.stage), .init("run", \.run), .init("runs", \.runs),
    .init("position", \.position, type: "integer"), .init("of_run", \.ofRun),
    .init("batch", \.batch), .init("learning_rate", \.learningRate),
    .init("learning_rate_end", \.learningRateEnd), .init("updates_done", \.updatesDone),
    .init("updates", \.updates),
    .init("samples_per_second", \.samplesPerSecond), .init("test_accuracy", \.testAccuracy),
    .init("seconds_left", \.secondsLeft), .init("worker", \.worker), .init("reason", \.reason),
  ]
  package init() {}
}

package struct ReasonToWait: TypedRow {
  package private(set) var reason = ""
  package private(set) var stages = 0

  package static let sqlName = "report.reason_to_wait"
  package static let columns: [Column<ReasonToWait>] = [
    .init("reason", \.reason), .init("stages", \.stages),
  ]
  package init() {}
}

/// A data set that a worker cannot open.
package struct DataWanted: TypedRow {
  package private(set) var name: String?
  package private(set) var path: String?
  package private(set) var worker = ""
  package private(set) var reason = ""
  package private(set) var stages = 0

  package static let sqlName = "report.data_wanted"
  package static let columns: [Column<DataWanted>] = [
    .init("name", \.name), .init("path", \.path), .init("worker", \.worker),
    .init("reason", \.reason), .init("stages", \.stages),
  ]
  package init() {}
}

struct CollapsedRuns: TypedRow {
  private(set) var runs = 0

  static let sqlName = "report.collapsed"
  static let columns: [Column<CollapsedRuns>] = [.init("runs", \.runs)]
  init() {}
}

struct Paused: TypedRow {
  private(set) var what = ""

  static let sqlName = "report.paused"
  static let columns: [Column<Paused>] = [.init("what", \.what)]
  init() {}
}

package struct ParkedStage: TypedRow {
  package private(set) var stage = 0
  package private(set) var run: String?
  package private(set) var runs = 0
  package private(set) var crashes = 0
  package private(set) var lastWorker: String?
  package private(set) var reason: String?

  package static let sqlName = "report.parked"
  package static let columns: [Column<ParkedStage>] = [
    .init("stage_id", \.stage), .init("run", \.run), .init("runs", \.runs),
    .init("crashes", \.crashes, type: "integer"), .init("last_worker", \.lastWorker),
    .init("reason", \.reason),
  ]
  package init() {}
}

package struct Event: TypedRow {
  package private(set) var id = 0
  /// PostgreSQL's text with the time zone, and without it to the second.
  package private(set) var at = ""
  package private(set) var time = ""
  package private(set) var actor = ""
  package private(set) var kind = ""
  package private(set) var grid: String?
  package private(set) var stage: Int?
  package private(set) var worker: String?
  package private(set) var detail: JSON?

  package static let sqlName = "report.latest_event"
  package static let columns: [Column<Event>] = [
    .init("id", \.id), .init("at", \.at), .init("time", \.time), .init("actor", \.actor),
    .init("kind", \.kind), .init("grid", \.grid), .init("stage_id", \.stage),
    .init("worker", \.worker), .init("detail", \.detail),
  ]
  package init() {}
}

/// A grid's runs, counted: each in one state.
package struct GridCounts: TypedRow {
  package private(set) var id = 0
  package private(set) var grid = ""
  package private(set) var priority = 0
  package private(set) var runs = 0
  private var trained = 0
  package private(set) var collapsed = 0
  package private(set) var diverged = 0
  package private(set) var failed = 0
  package private(set) var parked = 0
  package private(set) var cancelled = 0
  package private(set) var running = 0
  package private(set) var waiting = 0

  package static let sqlName = "report.grid"
  package static let columns: [Column<GridCounts>] = [
    .init("id", \.id), .init("grid", \.grid), .init("priority", \.priority, type: "integer"),
    .init("runs", \.runs), .init("finished", \.trained), .init("collapsed", \.collapsed),
    .init("diverged", \.diverged), .init("failed", \.failed), .init("parked", \.parked),
    .init("cancelled", \.cancelled), .init("running", \.running), .init("waiting", \.waiting),
  ]
  package init() {}

  /// Runs that ended, and did not collapse.
  package var finished: Int { trained - collapsed }
}

package struct WorkerListing: TypedRow {
  package private(set) var id = 0
  package private(set) var worker = ""
  package private(set) var host = ""
  package private(set) var pid = 0
  package private(set) var state = ""
  package private(set) var version = ""
  package private(set) var fingerprint = ""
  package private(set) var stages = 0
  package private(set) var slots = 0
  package private(set) var threads = 0
  /// Seconds since it was heard of.
  package private(set) var silent = 0

  package static let sqlName = "report.worker_listing"
  package static let columns: [Column<WorkerListing>] = [
    .init("id", \.id), .init("worker", \.worker), .init("host", \.host),
    .init("pid", \.pid, type: "integer"), .init("state", \.state), .init("version", \.version),
    .init("fingerprint", \.fingerprint), .init("stages", \.stages),
    .init("slots", \.slots, type: "integer"), .init("threads", \.threads, type: "integer"),
    .init("silent", \.silent),
  ]
  package init() {}
}

package struct GridProgressRow: TypedRow {
  package private(set) var grid = ""
  package private(set) var isPaused = false
  package private(set) var stages = 0
  package private(set) var over = 0
  package private(set) var parked = 0
  package private(set) var samples = 0
  package private(set) var samplesLeft = 0
  package private(set) var samplesPerSecond = 0.0

  package static let sqlName = "report.progress"
  package static let columns: [Column<GridProgressRow>] = [
    .init("grid", \.grid), .init("is_paused", \.isPaused), .init("stages", \.stages),
    .init("stages_over", \.over), .init("stages_parked", \.parked), .init("samples", \.samples),
    .init("samples_left", \.samplesLeft), .init("samples_per_second", \.samplesPerSecond),
  ]
  package init() {}
}

package struct CheckpointListing: TypedRow {
  package enum State: String, ColumnWord { case valid, damaged, removed }

  package private(set) var id = 0
  package private(set) var stage = 0
  package private(set) var samples = 0
  package private(set) var updates = 0
  package private(set) var isFinal = false
  package private(set) var bytes = 0
  package private(set) var state = State.valid
  package private(set) var file = ""

  package static let sqlName = "report.checkpoint_of"
  package static let columns: [Column<CheckpointListing>] = [
    .init("id", \.id), .init("stage_id", \.stage), .init("samples", \.samples),
    .init("updates", \.updates), .init("final", \.isFinal), .init("bytes", \.bytes),
    .init("state", \.state), .init("file", \.file),
  ]
  package init() {}
}

/// A file of a checkpoint, as the queue has registered it.
package struct StoredFile: TypedRow {
  package private(set) var id = 0
  package private(set) var file = ""
  package private(set) var bytes = 0
  package private(set) var digest = ""
  /// Bytes that its stage may take in memory: its content has no more.
  package private(set) var memoryBytes = 0

  package static let sqlName = "report.stored_file"
  package static let columns: [Column<StoredFile>] = [
    .init("id", \.id), .init("file", \.file), .init("bytes", \.bytes), .init("digest", \.digest),
    .init("memory_bytes", \.memoryBytes),
  ]
  package init() {}
}

package struct RunCheckpoint: TypedRow {
  package private(set) var file = ""
  package private(set) var digest = ""
  package private(set) var store = ""
  package private(set) var memoryBytes = 0
  package private(set) var epoch = 0.0
  package private(set) var epochsPlanned = 0.0
  /// Whether the run ends here.
  package private(set) var isEnd = false

  package static let sqlName = "report.run_checkpoint"
  package static let columns: [Column<RunCheckpoint>] = [
    .init("file", \.file), .init("digest", \.digest), .init("store_id", \.store),
    .init("memory_bytes", \.memoryBytes), .init("epoch", \.epoch),
    .init("epochs_planned", \.epochsPlanned), .init("at_end", \.isEnd),
  ]
  package init() {}
}

/// Rows of the queue that contradict each other.
package struct Contradiction: TypedRow {
  package private(set) var what = ""
  package private(set) var stage: Int?

  package static let sqlName = "report.contradiction"
  package static let columns: [Column<Contradiction>] = [
    .init("what", \.what), .init("stage_id", \.stage),
  ]
  package init() {}
}

/// The end of what an attempt's program has written.
package struct AttemptLog: TypedRow {
  private var stage = 0
  private var attempt = 0
  package private(set) var outcome: String?
  package private(set) var text: String?

  package var lease: Lease { Lease(stage: stage, attempt: attempt) }

  package static let sqlName = "report.log_of_run"
  package static let columns: [Column<AttemptLog>] = [
    .init("stage", \.stage), .init("attempt", \.attempt, type: "integer"),
    .init("outcome", \.outcome), .init("log", \.text),
  ]
  package init() {}
}

/// A stage as `jobctl show` has it.
package struct StageListing: TypedRow {
  package private(set) var digest = ""
  package private(set) var state = ""
  package private(set) var reason: String?
  package private(set) var worker: String?
  package private(set) var parametersDigest: String?
  package private(set) var id = 0
  package private(set) var batch = 0
  package private(set) var ghost = 0
  /// Of its first update, and of its last one.
  package private(set) var learningRate = 0.0
  package private(set) var learningRateEnd = 0.0
  package private(set) var momentum: Double?
  package private(set) var noiseScale: Double?
  /// Sample clock.
  package private(set) var start = 0
  package private(set) var end = 0
  package private(set) var updates = 0
  package private(set) var updatesDone: Int?
  /// How many runs want it.
  package private(set) var runs = 0
  package private(set) var attempt = 0
  package private(set) var failures = 0
  package private(set) var crashes = 0
  package private(set) var preemptions = 0

  package static let sqlName = "report.stage"
  package static let columns: [Column<StageListing>] = [
    .init("digest", \.digest), .init("state", \.state), .init("reason", \.reason),
    .init("worker", \.worker), .init("parameters_digest", \.parametersDigest),
    .init("id", \.id), .init("batch", \.batch), .init("ghost", \.ghost),
    .init("learning_rate", \.learningRate), .init("learning_rate_end", \.learningRateEnd),
    .init("momentum", \.momentum),
    .init("noise_scale", \.noiseScale), .init("start_samples", \.start),
    .init("end_samples", \.end), .init("updates", \.updates),
    .init("updates_done", \.updatesDone), .init("runs", \.runs),
    .init("attempt", \.attempt, type: "integer"), .init("failures", \.failures, type: "integer"),
    .init("crashes", \.crashes, type: "integer"),
    .init("preemptions", \.preemptions, type: "integer"),
  ]
  package init() {}
}

/// A measurement of a run as `jobctl show` has it.
package struct MeasurementListing: TypedRow {
  package private(set) var epoch = 0.0
  package private(set) var samples = 0
  package private(set) var updates = 0
  package private(set) var batch = 0
  package private(set) var learningRate = 0.0
  package private(set) var noiseScale: Double?
  package private(set) var trainLoss: Double?
  package private(set) var trainAccuracy: Double?
  package private(set) var testLoss: Double?
  package private(set) var testAccuracy: Double?
  package private(set) var validationLoss: Double?
  package private(set) var validationAccuracy: Double?

  package static let sqlName = "report.run_measurement"
  package static let columns: [Column<MeasurementListing>] = [
    .init("epoch", \.epoch), .init("samples", \.samples), .init("updates", \.updates),
    .init("batch", \.batch), .init("learning_rate", \.learningRate),
    .init("noise_scale", \.noiseScale), .init("train_loss", \.trainLoss),
    .init("train_accuracy", \.trainAccuracy), .init("test_loss", \.testLoss),
    .init("test_accuracy", \.testAccuracy), .init("validation_loss", \.validationLoss),
    .init("validation_accuracy", \.validationAccuracy),
  ]
  package init() {}
}

/// The queue's identity, which its checkpoint stores record.
package struct QueueIdentity: TypedRow {
  package private(set) var id = ""

  package static let sqlName = "report.queue"
  package static let columns: [Column<QueueIdentity>] = [.init("id", \.id)]
  package init() {}
}

/// A folder of checkpoint files that the queue knows.
package struct StoreListing: TypedRow {
  package private(set) var id = ""
  package private(set) var path = ""
  package private(set) var host = ""
  /// Those that still count.
  package private(set) var checkpoints = 0
  private var hosts = JSON.array([])

  package static let sqlName = "report.store"
  package static let columns: [Column<StoreListing>] = [
    .init("id", \.id), .init("path", \.path), .init("host", \.host),
    .init("checkpoints", \.checkpoints), .init("hosts", \.hosts),
  ]
  package init() {}

  /// True when a worker on this host has registered the store.
  package func wasOn(_ host: String) -> Bool {
    self.host == host || hosts.items?.contains(.string(host)) == true
  }
}

/// A store that no worker has, and the ready stages that wait for a checkpoint in it.
package struct StoreOutOfReach: TypedRow {
  package private(set) var id = ""
  package private(set) var path = ""
  package private(set) var host = ""
  package private(set) var stages = 0

  package static let sqlName = "report.out_of_reach"
  package static let columns: [Column<StoreOutOfReach>] = [
    .init("store", \.id), .init("path", \.path), .init("host", \.host),
    .init("stages", \.stages),
  ]
  package init() {}
}
