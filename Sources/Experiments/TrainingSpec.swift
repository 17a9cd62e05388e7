import Values

/// Everything but the seed and the laws that determines what training computes: all stages of a run
/// have it in common, and so have its setting's runs with other seeds.

package struct TrainingSpec: Hashable, Sendable {
  package var dataset: DatasetSpec
  /// Content digest of the data; nil while its files are absent.
  package var datasetDigest: String?
  package var network: NetworkSpec
  package var labelSmoothing: Rational
  package var optimizer: OptimizerSpec
  package var ghost: Int

  /// As stored in the queue and read by workers.
  package var json: JSON {
    [
      "dataset": dataset.json, "dataset_digest": datasetDigest.map(JSON.string) ?? .null,
      "network": network.json, "loss": .object([RunSpec.labelSmoothing.member(labelSmoothing)]),
      "optimizer": optimizer.json, "initialization": "he-normal", "ghost": .integer(ghost),
    ]
  }

  package init(
    dataset: DatasetSpec, datasetDigest: String?, network: NetworkSpec, labelSmoothing: Rational,
    optimizer: OptimizerSpec, ghost: Int
  ) {
    self.dataset = dataset
    self.datasetDigest = datasetDigest
    self.network = network
    self.labelSmoothing = labelSmoothing
    self.optimizer = optimizer
    self.ghost = ghost
  }

  /// Reads what the queue has stored. A submitter may have sent it without the planner, so all of the
  /// planner's shapes are checked.
  package init(_ document: JSON, _ datasets: DatasetVocabulary) throws(InvalidDocument) {
    let node = TrainingSpec.withoutRate(document)
    var problems: [Problem] = []
    for (key, shape) in [
      ("dataset", datasets.shape), ("network", NetworkSpec.shape), ("loss", RunSpec.lossShape),
      ("optimizer", OptimizerSpec.constantsShape), ("ghost", BatchSpec.ghost.shape),
    ] {
      shape.check(node[key] ?? .null, at: key, into: &problems)
    }
    guard problems.isEmpty else { throw InvalidDocument(problems) }
    guard
      let dataset = datasets.read(
        node["dataset"] ?? .null, at: "dataset", problems: &problems),
      let network = NetworkSpec(node["network"] ?? .null, at: "network", problems: &problems),
      let optimizer = OptimizerSpec(
        node["optimizer"] ?? .null, at: "optimizer", problems: &problems),
      let ghost = node["ghost"]?.intValue, problems.isEmpty
    else { throw InvalidDocument(problems) }
    self.dataset = dataset
    datasetDigest = node["dataset_digest"]?.stringValue
    self.network = network
    labelSmoothing = RunSpec.labelSmoothing.value(in: node["loss"] ?? .null)
    self.optimizer = optimizer
    self.ghost = ghost
  }

  /// Earlier versions stored the base rate and the momentum too, which nothing read.
  private static func withoutRate(_ document: JSON) -> JSON {
    guard let members = document["optimizer"]?.members else { return document }
    let constants = members.filter { $0.key != "learning_rate" && $0.key != "momentum" }
    return document.setting(["optimizer"], to: .object(constants))
  }

  /// Without what says nothing of the numbers: the place of the data, for which their digest stands.
  package var content: TrainingSpec {
    var content = self
    content.dataset = dataset.withoutPlace
    return content
  }
}

extension TrainingSpec {
  /// Training samples of an epoch (N): all but those that are held out for validation.
  package func samplesPerEpoch(of facts: DatasetFacts) -> Int { facts.train - dataset.validation }

  /// Why these data cannot be trained on, if they cannot.
  package func problem(with facts: DatasetFacts) -> Problem? {
    let side = min(facts.height, facts.width)
    guard side >= network.leastSide else {
      return Problem(
        "network",
        "\(network.name) needs pictures of at least \(network.leastSide) pixels a side, not \(side)"
      )
    }
    guard samplesPerEpoch(of: facts) > 0 else {
      return Problem(
        "dataset.validation",
        "found \(dataset.validation); that leaves none of the \(facts.train) training samples")
    }
    return nil
  }
}

/// Extra ghost batches, now and then, that measure the gradient noise scale where an update has one
/// ghost batch only. Stages that were trained before keep what was measured then.
package struct GradientProbe: Hashable, Sendable {
  /// Updates from one probe to the next, counted from the start of training.
  package var every: Int
  package var ghostBatches: Int

  static let shape = Shape.object(
    ObjectShape(fields: [
      .init("every", .integer(1...(1 << 40)), required: true, "Updates between probes."),
      ghostBatches.field,
    ]))

  private static let ghostBatches = DocumentField.integer(
    "ghost_batches", 2...64, default: 8, "Gradients of a probe")

  /// Nil of what has another shape.
  package init?(_ node: JSON) {
    var problems: [Problem] = []
    GradientProbe.shape.check(node, at: "gradient_probe", into: &problems)
    guard problems.isEmpty, let every = node["every"]?.intValue else { return nil }
    self.every = every
    ghostBatches = GradientProbe.ghostBatches.value(in: node)
  }

  package var json: JSON { ["every": .integer(every), "ghost_batches": .integer(ghostBatches)] }
}

/// Raised whenever the arithmetic of training changes; in every stage's digest, and matched at claim.
package let numericsVersion = 5

/// Raised whenever the numbers change that data become: in every stage's digest, and matched at claim.
/// Stages of 0 were planned before the digest had it: their tables were standardized in another way.
package let preparationVersion = 1

/// The engine that trains a stage: in its digest, and matched at claim.
package enum Backend: String, Sendable {
  /// This program's own engine.
  case native
  /// A program of the user's own.
  case external

  /// Raised whenever what it computes changes: in the digest of its stages, and matched at claim.
  package var numericsVersion: Int {
    switch self {
    case .native: Experiments.numericsVersion
    case .external: TrainerSpec.contractVersion
    }
  }

  /// As claims name it: 'native 5 1'.
  package var versioned: String { "\(rawValue) \(numericsVersion) \(preparation)" }

  /// Raised whenever the numbers change that data become; likewise.
  package var preparation: Int {
    switch self {
    case .native: preparationVersion
    case .external: 0
    }
  }
}
