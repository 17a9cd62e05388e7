import Experiments
import Postgres
import Statistics
import Values

/// Rows of the views as values, and values as JSON.

extension GridReport.RunRow {
  init(_ row: Rows.Row) {
    id = row.int("run_id") ?? 0
    name = row["run"] ?? ""
    setting = row["setting"] ?? ""
    labels = row["labels"].flatMap { try? JSON(parsing: $0) } ?? [:]
    state = row["state"] ?? ""
    outcome =
      switch row["outcome"] {
      case "finished": row.share("test_accuracy").map { .finished($0) } ?? .missing
      case "collapsed": .collapsed
      case "diverged": .diverged
      case "failed": .failed
      default: .missing
      }
    batch = row.int("batch") ?? 0
    batchMost = row.int("batch_most") ?? 0
    momentum = row.double("momentum")
    validationAccuracy = row.share("validation_accuracy")
    coreSeconds = row.double("core_seconds")
    attempts = row.int("attempts") ?? 0
    crashes = row.int("crashes") ?? 0
    learningRate = row.double("learning_rate") ?? 0
    schedule = row["schedule"] ?? ""
    optimizer = row["optimizer"] ?? ""
    variant = row["variant"]
    seed = row.int("seed") ?? 0
    updatesPlanned = row.int("updates_planned") ?? 0
    let epochs = max(row.double("epochs_planned") ?? 1, 1e-9)
    let samples = row.double("samples_per_epoch") ?? (row.double("samples_planned") ?? 0) / epochs
    samplesPerEpoch = samples >= 1 ? samples : 1
    samplesPlanned = row.int("samples_planned") ?? 0
    updates = row.int("updates") ?? 0
    updatesRedone = row.int("updates_redone") ?? 0
    self.epochs = row.double("epochs") ?? 0
    self.samples = row.int("samples") ?? 0
    testAccuracy = row.share("test_accuracy")
    bestTestAccuracy = row.share("best_test_accuracy")
    testLoss = row.double("test_loss")
    trainLoss = row.double("train_loss")
    seconds = row.double("seconds")
    peakMemory = row.int("peak_memory_bytes")
    parametersDigest = row["parameters_digest"]
    reason = row["reason"]
  }

  package var json: JSON {
    func real(_ value: Double?) -> JSON { value.map(JSON.real) ?? .null }
    return [
      "name": .string(name), "state": .string(state), "learning_rate": .real(learningRate),
      "schedule": .string(schedule), "optimizer": .string(optimizer), "seed": .integer(seed),
      "updates_planned": .integer(updatesPlanned), "updates": .integer(updates),
      "updates_redone": .integer(updatesRedone), "epochs": .real(epochs),
      "samples": .integer(samples),
      "test_accuracy": real(testAccuracy), "best_test_accuracy": real(bestTestAccuracy),
      "test_loss": real(testLoss), "train_loss": real(trainLoss), "seconds": real(seconds),
      "peak_memory_bytes": peakMemory.map(JSON.integer) ?? .null,
      "parameters_digest": parametersDigest.map(JSON.string) ?? .null,
      "variant": variant.map(JSON.string) ?? .null, "reason": reason.map(JSON.string) ?? .null,
      "setting": .string(setting), "outcome": .string(outcome.name), "batch": .integer(batch),
      "batch_most": .integer(batchMost), "momentum": real(momentum),
      "validation_accuracy": real(validationAccuracy), "core_seconds": real(coreSeconds),
      "attempts": .integer(attempts), "crashes": .integer(crashes),
    ]
  }
}

extension GridReport.Sharing {
  init(_ row: Rows.Row) {
    stages = row.int("stages") ?? 0
    uniqueStages = row.int("unique_stages") ?? 0
    updates = row.int("updates") ?? 0
    uniqueUpdates = row.int("unique_updates") ?? 0
    self.epochs = row.double("epochs") ?? 0
    uniqueEpochs = row.double("unique_epochs") ?? 0
    reusedStages = row.int("reused_stages") ?? 0
  }

  var json: JSON {
    [
      "stages": .integer(stages), "unique_stages": .integer(uniqueStages),
      "updates": .integer(updates), "unique_updates": .integer(uniqueUpdates),
      "epochs": .real(epochs), "unique_epochs": .real(uniqueEpochs),
      "reused_stages": .integer(reusedStages),
    ]
  }
}

extension GridReport.CurvePoint {
  init(_ row: Rows.Row) {
    epoch = row.double("epoch") ?? 0
    updates = row.int("updates") ?? 0
    samples = row.int("samples") ?? 0
    runs = row.int("runs") ?? 0
    testAccuracy = .init(
      mean: row.share("test_accuracy_mean"), deviation: row.double("test_accuracy_deviation"))
    trainLoss = .init(
      mean: row.double("train_loss_mean"), deviation: row.double("train_loss_deviation"))
    let (square, variance) = (row.double("gradient_square"), row.double("gradient_variance"))
    gradientNoise = square.flatMap { square in
      square > 0 ? variance.map { $0 / square } : nil
    }
  }
}

extension GridReport.StageRow {
  init(_ row: Rows.Row, samplesPerEpoch: Double) {
    start = row.int("start_samples") ?? 0
    end = row.int("end_samples") ?? 0
    self.samplesPerEpoch = samplesPerEpoch
    batch = row.int("batch") ?? 0
    law = row["law"].flatMap { try? JSON(parsing: $0) }.flatMap(Law.init)
    hasNoiseScale = row.double("noise_scale") != nil
    memory = row.int("memory_bytes")
    memoryMeasured = row.int("memory_measured")
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

extension Rows.Row {
  package func int(_ column: String) -> Int? {
    self[column].flatMap { text in Int(text) ?? Double(text).flatMap { Int(exactly: $0.rounded()) }
    }
  }
  /// An accuracy: what is none says nothing.
  package func share(_ column: String) -> Double? {
    double(column).flatMap { (0...1).contains($0) ? $0 : nil }
  }

  /// A number that is not finite says nothing.
  package func double(_ column: String) -> Double? {
    self[column].flatMap { Double($0) }.flatMap { $0.isFinite ? $0 : nil }
  }
}
