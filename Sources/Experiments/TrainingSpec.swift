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
  /// Of no influence on what is trained, and so not in any digest.
  package var probe: GradientProbe?

  /// As stored in the queue and read by workers.
  package var json: JSON {
    [
      "dataset": dataset.json, "dataset_digest": datasetDigest.map(JSON.string) ?? .null,
      "network": network.json, "loss": ["label_smoothing": labelSmoothing.json],
      "optimizer": optimizer.json, "initialization": "he-normal", "ghost": .integer(ghost),
      "gradient_probe": probe?.json ?? .null,
    ]
  }

  package init(
    dataset: DatasetSpec, datasetDigest: String?, network: NetworkSpec, labelSmoothing: Rational,
    optimizer: OptimizerSpec, ghost: Int, probe: GradientProbe?
  ) {
    self.dataset = dataset
    self.datasetDigest = datasetDigest
    self.network = network
    self.labelSmoothing = labelSmoothing
    self.optimizer = optimizer
    self.ghost = ghost
    self.probe = probe
  }

  package init(_ node: JSON) throws(InvalidGrid) {
    var problems: [Problem] = []
    for (key, shape) in [
      ("dataset", DatasetSpec.shape), ("network", NetworkSpec.shape),
      ("optimizer", OptimizerSpec.shape),
    ] {
      shape.check(node[key] ?? .null, at: key, into: &problems)
    }
    guard problems.isEmpty else { throw InvalidGrid(problems) }
    dataset = DatasetSpec(node["dataset"] ?? .null, at: "dataset", problems: &problems)
    datasetDigest = node["dataset_digest"]?.stringValue
    network = NetworkSpec(node["network"] ?? .null, at: "network", problems: &problems)
    labelSmoothing = node["loss"]?["label_smoothing"].flatMap(Rational.init(literal:)) ?? .zero
    optimizer = OptimizerSpec(node["optimizer"] ?? .null, at: "optimizer", problems: &problems)
    ghost = node["ghost"]?.intValue ?? 0
    probe = node["gradient_probe"].flatMap(GradientProbe.init)
    if ghost < 1 { problems.append(Problem("ghost", "is missing")) }
    guard problems.isEmpty else { throw InvalidGrid(problems) }
  }

  /// What enters a stage's digest, with this as the seed. The base learning rate and the momentum are
  /// left to the laws, and a file's path to its content digest.
  func identity(seed: JSON) -> JSON {
    var data = dataset
    data.path = nil
    let constants = (optimizer.json.members ?? []).filter {
      $0.key != "learning_rate" && $0.key != "momentum"
    }
    return [
      "dataset": data.json, "dataset_digest": datasetDigest.map(JSON.string) ?? .null,
      "network": network.json, "loss": ["label_smoothing": labelSmoothing.json],
      "optimizer": .object(constants), "initialization": "he-normal", "ghost": .integer(ghost),
      "seed": seed,
    ]
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
      .init("ghost_batches", .integer(2...64), "Gradients of a probe; 8 by default."),
    ]))

  init?(_ node: JSON) {
    guard let every = node["every"]?.intValue, every > 0 else { return nil }
    self.every = every
    ghostBatches = node["ghost_batches"]?.intValue ?? 8
  }

  var json: JSON { ["every": .integer(every), "ghost_batches": .integer(ghostBatches)] }
}

/// Raised whenever the arithmetic of training changes; in every stage's digest, and matched at claim.
package let numericsVersion = 5
