import Experiments
import Postgres
import Values

/// Rows that a worker sends to the queue. Each has its type in sql/types.

/// A worker, as it registers.
package struct WorkerRow: TypedRow {
  package var name = ""
  package var host = ""
  package var pid = 0
  package var version = ""
  package var numericsVersion = Experiments.numericsVersion
  package var fingerprint = ""
  package var slots = 1
  package var threads = 1
  package var stores: [String] = []

  package static let sqlName = "api.worker_description"
  package static let columns: [Column<WorkerRow>] = [
    .init("name", \.name), .init("host", \.host), .init("pid", \.pid, type: "integer"),
    .init("version", \.version),
    .init("numerics_version", \.numericsVersion, type: "integer"),
    .init("fingerprint", \.fingerprint), .init("slots", \.slots, type: "integer"),
    .init("threads", \.threads, type: "integer"), .init("stores", \.stores),
  ]

  package init() {}

  package init(
    name: String, host: String, pid: Int, version: String, fingerprint: String, slots: Int,
    threads: Int, stores: [String]
  ) {
    self.name = name
    self.host = host
    self.pid = pid
    self.version = version
    self.fingerprint = fingerprint
    self.slots = slots
    self.threads = threads
    self.stores = stores
  }
}

/// How much a worker wants to claim, and which stages it can train.
package struct ClaimRequest: TypedRow {
  package var worker = 0
  package var slots = 1
  /// Digests of the data sets that it can open.
  package var datasets: [String] = []
  package var stores: [String] = []
  /// Each with the versions that its stages' digests have (`Backend.versioned`).
  package var backends: [String] = []
  /// Bytes that it may use for each stage.
  package var memory = Int.max
  /// Only this grid's stages, where it is given.
  package var grid: String?
  package var threads = 1
  package var fingerprint = ""
  /// Stages that it cannot read: another version's.
  package var excludedStages: [Int] = []

  package static let sqlName = "api.claim_request"
  package static let columns: [Column<ClaimRequest>] = [
    .init("worker", \.worker), .init("slots", \.slots, type: "integer"),
    .init("datasets", \.datasets), .init("stores", \.stores),
    .init("backends", \.backends),
    .init("memory_bytes", \.memory), .init("grid", \.grid),
    .init("threads", \.threads, type: "integer"), .init("fingerprint", \.fingerprint),
    .init("excluded_stages", \.excludedStages),
  ]

  package init() {}

  package init(
    worker: Int, slots: Int, datasets: [String], stores: [String], memory: Int, grid: String?,
    threads: Int, fingerprint: String, backends: [String] = [Backend.native.versioned]
  ) {
    self.backends = backends
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

/// How far an attempt is. What is nil is not known, and changes nothing that the queue knows.
package struct ProgressRow: TypedRow {
  /// Updates since the stage's start.
  package var updates: Int?
  /// The sample clock.
  package var samples: Int?
  package var seconds: Double?
  package var coreSeconds: Double?
  package var samplesPerSecond: Float?
  package var threads: Int?
  package var peakMemoryBytes: Int?
  /// The reason why the stage does not go on; nil while it does.
  package var reason: String?
  /// The end of what its program has written.
  package var log: String?

  package static let sqlName = "api.progress"
  package static let columns: [Column<ProgressRow>] = [
    .init("updates", \.updates), .init("samples", \.samples), .init("seconds", \.seconds),
    .init("core_seconds", \.coreSeconds), .init("samples_per_second", \.samplesPerSecond),
    .init("threads", \.threads, type: "integer"),
    .init("peak_memory_bytes", \.peakMemoryBytes), .init("reason", \.reason),
    .init("log", \.log),
  ]

  package init() {}

  package init(updates: Int, samples: Int, seconds: Double? = nil) {
    self.updates = updates
    self.samples = samples
    self.seconds = seconds
  }
}

/// A stage that a worker says it is training.
package struct HeldStage: TypedRow {
  package var stage = 0
  package var attempt = 0
  package var progress = ProgressRow()

  package static let sqlName = "api.held_stage"
  package static let columns: [Column<HeldStage>] = [
    .init("stage", \.stage), .init("attempt", \.attempt, type: "integer"),
    .init("progress", \.progress),
  ]

  package init() {}

  package init(_ lease: Lease, _ progress: ProgressRow) {
    (stage, attempt, self.progress) = (lease.stage, lease.attempt, progress)
  }
}

/// A checkpoint file.
package struct CheckpointRow: TypedRow {
  /// A file's name. The server insists on its beginning, so that no attempt names another's file.
  package static func fileName(of lease: Lease, _ rest: String) -> String {
    "stage-\(lease.stage)-attempt-\(lease.attempt)-\(rest)"
  }

  package var store = ""
  package var file = ""
  /// The sample clock.
  package var samples = 0
  /// Updates since the run's start.
  package var updates = 0
  package var bytes = 0
  /// SHA-256 of the file.
  package var digest = ""
  /// The kernels that computed it.
  package var fingerprint = ""
  /// SHA-256 of the parameters.
  package var parametersDigest = ""

  package static let sqlName = "api.checkpoint"
  package static let columns: [Column<CheckpointRow>] = [
    .init("store", \.store), .init("file", \.file), .init("samples", \.samples),
    .init("updates", \.updates), .init("bytes", \.bytes), .init("digest", \.digest),
    .init("fingerprint", \.fingerprint), .init("parameters_digest", \.parametersDigest),
  ]

  package init() {}

  package init(
    store: String, file: String, samples: Int, updates: Int, bytes: Int, digest: String,
    fingerprint: String, parametersDigest: String
  ) {
    self.store = store
    self.file = file
    self.samples = samples
    self.updates = updates
    self.bytes = bytes
    self.digest = digest
    self.fingerprint = fingerprint
    self.parametersDigest = parametersDigest
  }
}

/// Losses and accuracies at one point of the sample clock.
package struct MeasurementRow: TypedRow {
  package var samples = 0
  package var epoch = 0.0
  /// Updates since the run's start.
  package var updates = 0
  package var batch = 0
  package var learningRate: Float = 0
  package var noiseScale: Double?
  package var trainLoss: Double?
  package var trainAccuracy: Double?
  package var testLoss: Double?
  package var testAccuracy: Double?
  package var validationLoss: Double?
  package var validationAccuracy: Double?
  package var testSamples: Int?
  package var testCommonest: Int?
  package var isAboveGuessing: Bool?
  package var seconds = 0.0
  package var coreSeconds: Double?
  package var peakMemoryBytes: Int?
  package var gradientSquare: Double?
  package var gradientVariance: Double?
  package var gradientEstimates: Int?
  package var gradientProbes: Int?
  package var probeSeconds: Double?
  /// What else a trainer has measured, by name.
  package var numbers: JSON?

  package static let sqlName = "api.measurement"
  package static let columns: [Column<MeasurementRow>] = [
    .init("samples", \.samples), .init("epoch", \.epoch), .init("updates", \.updates),
    .init("batch", \.batch), .init("learning_rate", \.learningRate),
    .init("noise_scale", \.noiseScale), .init("train_loss", \.trainLoss),
    .init("train_accuracy", \.trainAccuracy), .init("test_loss", \.testLoss),
    .init("test_accuracy", \.testAccuracy), .init("validation_loss", \.validationLoss),
    .init("validation_accuracy", \.validationAccuracy), .init("test_samples", \.testSamples),
    .init("test_commonest", \.testCommonest), .init("above_guessing", \.isAboveGuessing),
    .init("seconds", \.seconds), .init("core_seconds", \.coreSeconds),
    .init("peak_memory_bytes", \.peakMemoryBytes), .init("gradient_square", \.gradientSquare),
    .init("gradient_variance", \.gradientVariance),
    .init("gradient_estimates", \.gradientEstimates), .init("gradient_probes", \.gradientProbes),
    .init("probe_seconds", \.probeSeconds), .init("numbers", \.numbers),
  ]

  package init() {}
}
