import Experiments
import Postgres
import Values

/// Rows that a submission copies into the tables of api.open_submission. Each has its type in sql/types.
/// Settings, seeds and stages are numbered from 0.

/// The document that stages have in common, under its digest.
package struct SubmittedSpec: TypedRow {
  package var digest = ""
  package var document = JSON.null

  package static let sqlName = "api.submitted_spec"
  package static let columns: [Column<SubmittedSpec>] = [
    .init("digest", \.digest), .init("document", \.document),
  ]

  package init() {}

  package init(digest: String, document: JSON) {
    (self.digest, self.document) = (digest, document)
  }
}

/// A point of all axes but the seed.
package struct SubmittedSetting: TypedRow {
  package var number = 0
  package var name = ""
  package var labels: JSON = [:]
  package var learningRate: Float = 0
  package var schedule = ""
  package var optimizer = ""
  package var variant: String?
  package var updates = 0
  package var samples = 0
  package var epochs = 0.0
  package var classes: Int?
  package var samplesPerEpoch: Int?
  /// Numbers of its stages, from the first to the last.
  package var chain: [Int] = []

  package static let sqlName = "api.submitted_setting"
  package static let columns: [Column<SubmittedSetting>] = [
    .init("number", \.number, type: "integer"), .init("name", \.name), .init("labels", \.labels),
    .init("learning_rate", \.learningRate), .init("schedule", \.schedule),
    .init("optimizer", \.optimizer), .init("variant", \.variant), .init("updates", \.updates),
    .init("samples", \.samples), .init("epochs", \.epochs),
    .init("classes", \.classes, type: "integer"), .init("samples_per_epoch", \.samplesPerEpoch),
    .init("chain", \.chain, type: "integer[]"),
  ]

  package init() {}
}

/// A seed that every setting is run with.
package struct SubmittedSeed: TypedRow {
  package var number = 0
  package var seed = 0

  package static let sqlName = "api.submitted_seed"
  package static let columns: [Column<SubmittedSeed>] = [
    .init("number", \.number, type: "integer"), .init("seed", \.seed),
  ]

  package init() {}

  package init(number: Int, seed: Int) { (self.number, self.seed) = (number, seed) }
}

/// A stage of a setting, whatever the seed.
package struct SubmittedStage: TypedRow {
  package var number = 0
  package var setting = 0
  package var parent: Int?
  /// The digest of its spec.
  package var spec = ""
  package var dataset: String?
  package var numericsVersion = Experiments.numericsVersion
  package var memoryBytes = 0
  package var isPinned = false
  package var startSamples = 0
  package var endSamples = 0
  package var startUpdates = 0
  package var updates = 0
  package var batch = 0
  package var ghost = 0
  package var learningRate: Float = 0
  package var learningRateEnd: Float = 0
  package var law: JSON = [:]
  package var momentum: Float?
  package var noiseScale: Double?
  package var noiseScaleExact: Double?
  package var epochs = 0.0
  package var backend = Backend.native.rawValue
  package var preparation = preparationVersion
  package var probe: JSON?

  package static let sqlName = "api.submitted_stage"
  package static let columns: [Column<SubmittedStage>] = [
    .init("number", \.number, type: "integer"), .init("setting", \.setting, type: "integer"),
    .init("parent", \.parent, type: "integer"), .init("spec", \.spec), .init("dataset", \.dataset),
    .init("numerics_version", \.numericsVersion, type: "integer"),
    .init("memory_bytes", \.memoryBytes), .init("pinned", \.isPinned),
    .init("start_samples", \.startSamples), .init("end_samples", \.endSamples),
    .init("start_updates", \.startUpdates), .init("updates", \.updates), .init("batch", \.batch),
    .init("ghost", \.ghost), .init("learning_rate", \.learningRate),
    .init("learning_rate_end", \.learningRateEnd), .init("law", \.law),
    .init("momentum", \.momentum), .init("noise_scale", \.noiseScale),
    .init("noise_scale_exact", \.noiseScaleExact), .init("epochs", \.epochs),
    .init("backend", \.backend), .init("preparation", \.preparation, type: "integer"),
    .init("probe", \.probe),
  ]

  package init() {}
}

/// The digest of a stage with a seed.
package struct SubmittedDigest: TypedRow {
  package var stage = 0
  package var seed = 0
  package var digest = ""

  package static let sqlName = "api.submitted_digest"
  package static let columns: [Column<SubmittedDigest>] = [
    .init("stage", \.stage, type: "integer"), .init("seed", \.seed, type: "integer"),
    .init("digest", \.digest),
  ]

  package init() {}

  package init(stage: Int, seed: Int, digest: String) {
    (self.stage, self.seed, self.digest) = (stage, seed, digest)
  }
}
