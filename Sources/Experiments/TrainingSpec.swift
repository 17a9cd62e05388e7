/// Everything but the laws that determines what training computes: all stages of a run have it in
/// common, and so have the runs of a sweep with the same seed.

package struct TrainingSpec: Hashable, Sendable {
  package var dataset: DatasetSpec
  /// Content digest of the data; nil while its files are absent.
  package var datasetDigest: String?
  package var network: NetworkSpec
  package var labelSmoothing: Rational
  package var optimizer: OptimizerSpec
  package var ghost: Int
  package var seed: Int

  /// As stored in the queue and read by workers.
  package var json: JSON {
    [
      "dataset": dataset.json, "dataset_digest": datasetDigest.map(JSON.string) ?? .null,
      "network": network.json, "loss": ["label_smoothing": labelSmoothing.json],
      "optimizer": optimizer.json, "initialization": "he-normal", "ghost": .integer(ghost),
      "seed": .integer(seed),
    ]
  }

  package init(
    dataset: DatasetSpec, datasetDigest: String?, network: NetworkSpec, labelSmoothing: Rational,
    optimizer: OptimizerSpec, ghost: Int, seed: Int
  ) {
    self.dataset = dataset
    self.datasetDigest = datasetDigest
    self.network = network
    self.labelSmoothing = labelSmoothing
    self.optimizer = optimizer
    self.ghost = ghost
    self.seed = seed
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
    seed = node["seed"]?.intValue ?? 0
    if ghost < 1 { problems.append(Problem("ghost", "is missing")) }
    guard problems.isEmpty else { throw InvalidGrid(problems) }
  }

  /// What enters a stage's digest. The base learning rate and the momentum are left to the laws, and
  /// a file's path to its content digest.
  var identity: JSON {
    var data = dataset
    data.path = nil
    let constants = (optimizer.json.members ?? []).filter {
      $0.key != "learning_rate" && $0.key != "momentum"
    }
    return [
      "dataset": data.json, "dataset_digest": datasetDigest.map(JSON.string) ?? .null,
      "network": network.json, "loss": ["label_smoothing": labelSmoothing.json],
      "optimizer": .object(constants), "initialization": "he-normal", "ghost": .integer(ghost),
      "seed": .integer(seed),
    ]
  }
}

/// Raised whenever the arithmetic of training changes; in every stage's digest, and matched at claim.
package let numericsVersion = 4
