import Experiments
import Postgres
import Values

/// Rows that a submission copies into the tables of api.open_submission. Each has its type in sql/types.
/// Settings, seeds and stages are numbered from 0.

/// The document that stages have in common, as canonical text: the queue names it by the digest.
package struct SubmittedSpec: TypedRow {
  package private(set) var document = ""

  package var digest: String { Digest.sha256(of: document) }

  package static let sqlName = "api.submitted_spec"
  package static let columns: [Column<SubmittedSpec>] = [.init("document", \.document)]

  package init() {}

  package init(_ document: JSON) { self.document = document.encoded(sorted: true) }
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
  package var classes: Int?
  package var samplesPerEpoch: Int?
  /// Numbers of its stages, from the first to the last.
  package var chain: [Int] = []

  package static let sqlName = "api.submitted_setting"
  package static let columns: [Column<SubmittedSetting>] = [
    .init("number", \.number, type: "integer"), .init("name", \.name), .init("labels", \.labels),
    .init("learning_rate", \.learningRate), .init("schedule", \.schedule),
    .init("optimizer", \.optimizer), .init("variant", \.variant),
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

/// A stage of a setting, whatever the seed. All that determines what it trains stands in its identity,
/// from which the queue takes it.
package struct SubmittedStage: TypedRow {
  package var number = 0
  package var setting = 0
  package var parent: Int?
  /// The text of its digests (`StageIdentity.text`).
  package var identity = ""
  /// The digest of its spec.
  package var spec = ""
  /// With exact fractions, where the identity has them in single precision.
  package var law: JSON = [:]
  package var memoryBytes = 0
  package var isPinned = false
  package var probe: JSON?

  package static let sqlName = "api.submitted_stage"
  package static let columns: [Column<SubmittedStage>] = [
    .init("number", \.number, type: "integer"), .init("setting", \.setting, type: "integer"),
    .init("parent", \.parent, type: "integer"), .init("identity", \.identity),
    .init("spec", \.spec), .init("law", \.law), .init("memory_bytes", \.memoryBytes),
    .init("pinned", \.isPinned), .init("probe", \.probe),
  ]

  package init() {}
}
