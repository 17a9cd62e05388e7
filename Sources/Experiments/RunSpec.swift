import Values

/// One run as its grid file asks for it: what to train, for how long, under which schedule.

package struct RunSpec: Hashable, Sendable {
  package var training: TrainingSpec
  package var epochs: Rational
  package var batch: BatchSpec
  package var schedule: ScheduleSpec
  /// A probe has no influence on what is trained, so it is in no digest.
  package var probe: GradientProbe?
  /// Claims of later stages are restricted to machines with the numerics fingerprint of the first.
  package var isPinned: Bool

  package static let mostEpochs = 1_000_000

  static let lossShape = Shape.object(
    ObjectShape(fields: [
      .init("label_smoothing", .number(.from(0, to: 0.999)), "0 by default.")
    ]))

  static let fields: [ObjectShape.Field] = [
    .init("dataset", DatasetSpec.shape, required: true, "The data, by name or as an object."),
    .init("network", NetworkSpec.shape, required: true, "The network, by name or as an object."),
    .init(
      "epochs", .number(.above(0, to: Double(mostEpochs))), required: true, "How long to train."),
    .init("loss", lossShape, "Softmax cross-entropy."),
    .init("optimizer", OptimizerSpec.shape, required: true, "The update rule and its constants."),
    .init("batch", BatchSpec.shape, required: true, "Batch, ghost batch and the largest batch."),
    .init("schedule", ScheduleSpec.shape, required: true, "How the noise scale is annealed."),
    .init(
      "gradient_probe", GradientProbe.shape,
      "Measures the gradient noise scale by extra gradients where an update is one ghost batch."),
    .init(
      "numerics", .choice(["any", "pinned"]),
      "pinned: only machines with the fingerprint of the run's first stage; any by default."),
  ]

  /// Reads a run's document, which has the right shape already.
  init(_ node: JSON, problems: inout [Problem]) {
    func part(_ key: String) -> JSON { node[key] ?? .null }
    let dataset = DatasetSpec(part("dataset"), at: "dataset", problems: &problems)
    let batch = BatchSpec(part("batch"), at: "batch", problems: &problems)
    training = TrainingSpec(
      dataset: dataset, datasetDigest: nil,
      network: NetworkSpec(part("network"), at: "network", problems: &problems),
      labelSmoothing: node["loss"]?["label_smoothing"].flatMap(Rational.init(literal:)) ?? .zero,
      optimizer: OptimizerSpec(part("optimizer"), at: "optimizer", problems: &problems),
      ghost: batch.ghost)
    probe = node["gradient_probe"].flatMap(GradientProbe.init)
    epochs = node["epochs"].flatMap(Rational.init(literal:)) ?? .one
    self.batch = batch
    schedule = ScheduleSpec(part("schedule"), at: "schedule", problems: &problems)
    isPinned = node["numerics"]?.stringValue == "pinned"
  }
}
