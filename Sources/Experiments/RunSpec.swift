import Values

/// One run as its grid file asks for it: what to train, for how long, under which schedule.

package struct RunSpec: Hashable, Sendable {
  package var training: StageSpec
  /// The learning rate before warm-up and schedule.
  package var learningRate: Rational
  /// m of momentum, Nesterov and LARS; nil of the others.
  package var momentum: Rational?
  package var epochs: Rational
  package var batch: BatchSpec
  package var schedule: ScheduleSpec
  /// A probe has no influence on what is trained, so it is in no digest.
  package var probe: GradientProbe?
  /// Claims of later stages are restricted to machines with the numerics fingerprint of the first.
  package var isPinned: Bool

  package static let mostEpochs = 1_000_000

  static let lossShape = Shape.object(
    ObjectShape(fields: [labelSmoothing.field]))

  static let labelSmoothing = DocumentField.number(
    "label_smoothing", .from(0, to: 0.999), default: "0", "The share that other classes get")

  static func fields(_ datasets: DatasetVocabulary) -> [ObjectShape.Field] {
    [dataset(datasets), network] + others
  }

  private static func dataset(_ datasets: DatasetVocabulary) -> ObjectShape.Field {
    .init("dataset", datasets.shape, "The data, by name or as an object; needed without a trainer.")
  }

  private static let network = ObjectShape.Field(
    "network", NetworkSpec.shape, "The network, by name or as an object; needed without a trainer.")

  private static let others: [ObjectShape.Field] = [
    .init(
      "trainer", TrainerSpec.shape,
      "A program of your own, in place of dataset, network, loss and gradient_probe."),
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

  /// Notes which of the parts are missing, or stand beside a trainer that has their place.
  static func checkParts(_ node: JSON, _ datasets: DatasetVocabulary, problems: inout [Problem]) {
    if node["trainer"] == nil {
      for field in [dataset(datasets), network] where node[field.key] == nil {
        problems.append(
          Problem(field.key, "is missing: \(field.shape.words)", isUnknown: true))
      }
    } else {
      for key in ["dataset", "network", "loss", "gradient_probe"] where node[key] != nil {
        problems.append(Problem(key, "does not belong beside trainer, which stands in its place"))
      }
    }
  }

  /// Reads a run's document, which has been checked by its shape. Nil where a part has a name that
  /// is none.
  init?(_ node: JSON, _ datasets: DatasetVocabulary, problems: inout [Problem]) {
    func part(_ key: String) -> JSON { node[key] ?? .null }
    // All of them, so that each says what is wrong with it.
    let batch = BatchSpec(part("batch"), at: "batch", problems: &problems)
    let optimizer = OptimizerSpec(part("optimizer"), at: "optimizer", problems: &problems)
    let schedule = ScheduleSpec(part("schedule"), at: "schedule", problems: &problems)
    guard let optimizer, let schedule,
      let rate = node["optimizer"]?["learning_rate"].flatMap(Rational.init(literal:)),
      let epochs = node["epochs"].flatMap(Rational.init(literal:))
    else { return nil }
    learningRate = rate
    momentum =
      optimizer.name.hasMomentum ? OptimizerSpec.momentum.value(in: part("optimizer")) : nil
    if let trainer = node["trainer"] {
      guard
        let spec = TrainerSpec(
          trainer, optimizer: optimizer, ghost: batch.ghost, files: datasets.ofTrainers,
          problems: &problems)
      else { return nil }
      training = .external(spec)
    } else {
      let dataset = datasets.read(part("dataset"), at: "dataset", problems: &problems)
      let network = NetworkSpec(part("network"), at: "network", problems: &problems)
      guard let dataset, let network else { return nil }
      training = .native(
        TrainingSpec(
          dataset: dataset, datasetDigest: nil, network: network,
          labelSmoothing: RunSpec.labelSmoothing.value(in: part("loss")), optimizer: optimizer,
          ghost: batch.ghost))
    }
    probe = node["gradient_probe"].flatMap(GradientProbe.init)
    self.epochs = epochs
    self.batch = batch
    self.schedule = schedule
    isPinned = node["numerics"]?.stringValue == "pinned"
  }
}
