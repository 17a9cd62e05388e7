import Experiments
import Postgres
import Statistics
import Values

/// Rows of the report views, each with its one list of columns, and rows as JSON.

extension GridReport {
  /// A run: a row of report.run.
  package struct RunRow: TypedRow {
    package private(set) var id = 0
    package private(set) var name = ""
    /// The run's name without its seed.
    package private(set) var setting = ""
    package private(set) var labels: JSON = [:]
    package private(set) var state = ""
    private var outcomeName = OutcomeName.missing
    package private(set) var learningRate = 0.0
    package private(set) var schedule = ""
    package private(set) var optimizer = ""
    package private(set) var variant: String?
    package private(set) var seed = 0
    package private(set) var updatesPlanned = 0
    package private(set) var samplesPlanned = 0
    private var epochsPlanned = 0.0
    private var samplesOfAnEpoch: Double?
    package private(set) var updates = 0
    package private(set) var updatesRedone = 0
    /// The batch at the start, and the largest.
    package private(set) var batch = 0
    package private(set) var batchMost = 0
    package private(set) var momentum: Double?
    package private(set) var epochs = 0.0
    package private(set) var samples = 0
    package private(set) var testAccuracy: Double?
    package private(set) var bestTestAccuracy: Double?
    package private(set) var validationAccuracy: Double?
    package private(set) var testLoss: Double?
    package private(set) var trainLoss: Double?
    package private(set) var seconds: Double?
    package private(set) var coreSeconds: Double?
    package private(set) var attempts = 0
    package private(set) var crashes = 0
    package private(set) var peakMemory: Int?
    package private(set) var parametersDigest: String?
    package private(set) var reason: String?

    package static let sqlName = "report.run"
    package static let columns: [Column<RunRow>] = [
      .init("run_id", \.id), .init("run", \.name), .init("setting", \.setting),
      .init("labels", \.labels), .init("state", \.state), .init("outcome", \.outcomeName),
      .init("learning_rate", \.learningRate), .init("schedule", \.schedule),
      .init("optimizer", \.optimizer), .init("variant", \.variant), .init("seed", \.seed),
      .init("updates_planned", \.updatesPlanned), .init("samples_planned", \.samplesPlanned),
      .init("epochs_planned", \.epochsPlanned),
      .measured("samples_per_epoch", \.samplesOfAnEpoch, type: "bigint"),
      .init("updates", \.updates), .init("updates_redone", \.updatesRedone),
      .init("batch", \.batch), .init("batch_most", \.batchMost),
      .measured("momentum", \.momentum), .init("epochs", \.epochs), .init("samples", \.samples),
      .share("test_accuracy", \.testAccuracy), .share("best_test_accuracy", \.bestTestAccuracy),
      .share("validation_accuracy", \.validationAccuracy), .measured("test_loss", \.testLoss),
      .measured("train_loss", \.trainLoss), .measured("seconds", \.seconds),
      .measured("core_seconds", \.coreSeconds), .init("attempts", \.attempts),
      .init("crashes", \.crashes), .init("peak_memory_bytes", \.peakMemory),
      .init("parameters_digest", \.parametersDigest), .init("reason", \.reason),
    ]

    package init() {}

    package var outcome: Outcome {
      switch outcomeName {
      case .finished: testAccuracy.map { .finished($0) } ?? .missing
      case .collapsed: .collapsed
      case .diverged: .diverged
      case .failed: .failed
      case .missing: .missing
      }
    }

    /// N, the training samples of an epoch. Runs of earlier versions did not say it.
    package var samplesPerEpoch: Double {
      let samples = samplesOfAnEpoch ?? Double(samplesPlanned) / max(epochsPlanned, 1e-9)
      return samples >= 1 ? samples : 1
    }

    package var json: JSON {
      [
        "name": .string(name), "state": .string(state), "learning_rate": .real(learningRate),
        "schedule": .string(schedule), "optimizer": .string(optimizer), "seed": .integer(seed),
        "updates_planned": .integer(updatesPlanned), "updates": .integer(updates),
        "updates_redone": .integer(updatesRedone), "epochs": .real(epochs),
        "samples": .integer(samples), "test_accuracy": testAccuracy.json,
        "best_test_accuracy": bestTestAccuracy.json, "test_loss": testLoss.json,
        "train_loss": trainLoss.json, "seconds": seconds.json,
        "peak_memory_bytes": peakMemory.json, "parameters_digest": parametersDigest.json,
        "variant": variant.json, "reason": reason.json, "setting": .string(setting),
        "outcome": .string(outcome.name), "batch": .integer(batch),
        "batch_most": .integer(batchMost), "momentum": momentum.json,
        "validation_accuracy": validationAccuracy.json, "core_seconds": coreSeconds.json,
        "attempts": .integer(attempts), "crashes": .integer(crashes),
      ]
    }
  }

  /// The column `outcome` of report.run.
  private enum OutcomeName: String, ColumnWord {
    case finished, collapsed, diverged, failed, missing
  }

  /// What sharing saved: a row of report.sharing.
  package struct Sharing: TypedRow {
    package private(set) var stages = 0
    package private(set) var uniqueStages = 0
    package private(set) var updates = 0
    package private(set) var uniqueUpdates = 0
    package private(set) var epochs = 0.0
    package private(set) var uniqueEpochs = 0.0
    /// Stages that an earlier grid had submitted.
    package private(set) var reusedStages = 0

    package static let sqlName = "report.sharing"
    package static let columns: [Column<Sharing>] = [
      .init("stages", \.stages), .init("unique_stages", \.uniqueStages),
      .init("updates", \.updates), .init("unique_updates", \.uniqueUpdates),
      .init("epochs", \.epochs), .init("unique_epochs", \.uniqueEpochs),
      .init("reused_stages", \.reusedStages),
    ]

    package init() {}
  }

  /// Runs of a setting at one sample count, over seeds; without those that did not train, where others
  /// did or still may.
  package struct CurvePoint: TypedRow {
    package private(set) var setting = ""
    package private(set) var samples = 0
    package private(set) var epoch = 0.0
    package private(set) var updates = 0
    package private(set) var runs = 0
    package private(set) var testAccuracy = Moments()
    package private(set) var trainLoss = Moments()
    private var gradientSquare: Double?
    private var gradientVariance: Double?

    package struct Moments: Sendable {
      package fileprivate(set) var mean: Double?
      package fileprivate(set) var deviation: Double?
    }

    package static let sqlName = "report.curve"
    package static let columns: [Column<CurvePoint>] = [
      .init("setting", \.setting), .init("samples", \.samples), .init("epoch", \.epoch),
      .init("updates", \.updates), .init("runs", \.runs),
      .share("test_accuracy_mean", \.testAccuracy.mean),
      .measured("test_accuracy_deviation", \.testAccuracy.deviation),
      .measured("train_loss_mean", \.trainLoss.mean),
      .measured("train_loss_deviation", \.trainLoss.deviation),
      .measured("gradient_square", \.gradientSquare),
      .measured("gradient_variance", \.gradientVariance),
    ]

    package init() {}

    /// tr(Sigma) over |G|^2, of their means; nil where nothing measured them.
    package var gradientNoise: Double? {
      gradientSquare.flatMap { square in
        square > 0 ? gradientVariance.map { $0 / square } : nil
      }
    }
  }

  /// A stage of a setting, as the first of its runs has it.
  package struct StageRow: TypedRow {
    private(set) var run = 0
    /// Sample clock.
    package private(set) var start = 0
    package private(set) var end = 0
    package private(set) var batch = 0
    private var document: JSON = [:]
    private var noiseScale: Double?
    /// Bytes that a worker is to have for it, as planned.
    package private(set) var memory = 0
    /// The peak of a worker that trained it alone, in bytes; nil where none did.
    package private(set) var memoryMeasured: Int?
    /// N, the training samples of an epoch.
    package internal(set) var samplesPerEpoch = 1.0

    package static let sqlName = "report.stage_of_run"
    package static let columns: [Column<StageRow>] = [
      .init("run_id", \.run), .init("start_samples", \.start), .init("end_samples", \.end),
      .init("batch", \.batch), .init("law", \.document), .measured("noise_scale", \.noiseScale),
      .init("memory_bytes", \.memory), .init("memory_measured", \.memoryMeasured),
    ]

    package init() {}

    /// The law that it is trained by; nil of one that this version cannot read.
    package var law: Law? { Law(document) }
    package var hasNoiseScale: Bool { noiseScale != nil }
  }

  /// Where a grid's attempts ran, and how they ended.
  package struct Attempts: TypedRow {
    private var versionsKnown: String?
    private var hostsKnown: String?
    private var fingerprintsKnown: String?
    package private(set) var count = 0
    package private(set) var crashed = 0
    package private(set) var preempted = 0
    package private(set) var failed = 0

    /// Lists, with commas; empty before the first attempt.
    package var versions: String { versionsKnown ?? "" }
    package var hosts: String { hostsKnown ?? "" }
    package var fingerprints: String { fingerprintsKnown ?? "" }

    package static let sqlName = "report.provenance"
    package static let columns: [Column<Attempts>] = [
      .init("versions", \.versionsKnown), .init("hosts", \.hostsKnown),
      .init("fingerprints", \.fingerprintsKnown), .init("attempts", \.count),
      .init("crashed", \.crashed), .init("preempted", \.preempted), .init("failed", \.failed),
    ]

    package init() {}
  }

  /// A data set of a grid, and a numerics version that trained on it.
  struct DatasetRow: TypedRow {
    private(set) var digest: String?
    private(set) var name: String?
    private(set) var numericsVersion = 0
    /// An array of texts, in the order of the network's outputs.
    private(set) var classNames: JSON?

    static let sqlName = "report.dataset_of_grid"
    static let columns: [Column<DatasetRow>] = [
      .init("digest", \.digest), .init("name", \.name),
      .init("numerics_version", \.numericsVersion, type: "integer"),
      .init("class_names", \.classNames),
    ]

    init() {}
  }

  /// Which stages a run has, in their order.
  struct ChainRow: TypedRow {
    private(set) var run = 0
    private(set) var stage = 0
    private(set) var dataset: String?

    static let sqlName = "report.chain"
    static let columns: [Column<ChainRow>] = [
      .init("run_id", \.run), .init("stage_id", \.stage), .init("dataset_digest", \.dataset),
    ]

    init() {}
  }
}

extension Column {
  /// A measured number. One that is not finite says nothing.
  static func measured(
    _ name: String, _ member: WritableKeyPath<Row, Double?> & Sendable,
    type: String = Double.sqlType
  ) -> Column {
    Column(name, member, type: type) { text -> Double?? in
      guard let text else { return .some(nil) }
      return Double(text).map { $0.isFinite ? $0 : nil }
    }
  }

  /// An accuracy. A number that is no share says nothing.
  static func share(_ name: String, _ member: WritableKeyPath<Row, Double?> & Sendable) -> Column {
    Column(name, member, type: Double.sqlType) { text -> Double?? in
      guard let text else { return .some(nil) }
      return Double(text).map { (0...1).contains($0) ? $0 : nil }
    }
  }
}

extension Outcome {
  package var name: String {
    switch self {
    case .finished: "finished"
    case .collapsed: "collapsed"
    case .diverged: "diverged"
    case .failed: "failed"
    case .missing: "missing"
    }
  }
}
