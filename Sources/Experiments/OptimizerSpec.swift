import Values

/// Which optimizer a run uses, with its constants. The base learning rate and the momentum are the
/// run's (`RunSpec`); training has them from its laws.

package struct OptimizerSpec: Hashable, Sendable {
  package enum Name: String, CaseIterable, Sendable {
    case sgd, momentum, nesterov, adam, lars

    /// Whether its steps are the learning rate times a mean gradient, as the noise scale has it: Adam
    /// and LARS scale each step by what they find.
    package var hasNoiseScale: Bool { self != .adam && self != .lars }
    package var hasMomentum: Bool { self != .sgd && self != .adam }
  }

  /// The update rule, with the constants of its own.
  package enum Rule: Hashable, Sendable {
    case sgd, momentum, nesterov
    case adam(beta1: Rational, beta2: Rational, epsilon: Rational)
    /// `trust` is the share of a tensor's length that a step at rate 1 takes.
    case lars(trust: Rational)
  }

  /// Parameters that weight decay leaves alone.
  package enum Exemption: String, CaseIterable, Sendable {
    case batchNorm = "batch_norm"
    case bias
  }

  package var rule: Rule
  package var weightDecay: Rational
  package var decayExempt: [Exemption]

  package var name: Name {
    switch rule {
    case .sgd: .sgd
    case .momentum: .momentum
    case .nesterov: .nesterov
    case .adam: .adam
    case .lars: .lars
    }
  }

  /// No rate beyond this trains anything.
  private static let highestRate = 1e9
  static let rateBounds = Shape.Bounds.above(0, to: highestRate)
  static let momentumBounds = Shape.Bounds.from(0, to: 0.9999)

  private static let beta1 = DocumentField.number(
    "beta1", .from(0, to: 0.9999), default: "0.9", "adam")
  private static let beta2 = DocumentField.number(
    "beta2", .from(0, to: 0.999999), default: "0.999", "adam")
  private static let epsilon = DocumentField.number(
    "epsilon", .above(0, to: 1), default: "1e-8", "adam")
  private static let trust = DocumentField.number(
    "trust", .above(0, to: 1), default: "0.001", "lars")
  private static let weightDecay = DocumentField.number(
    "weight_decay", .from(0, to: 1), default: "0", "L2 coefficient")
  static let momentum = DocumentField.number(
    "momentum", momentumBounds, default: "0.9", "momentum, nesterov, lars: m")

  private static let nameField = ObjectShape.Field(
    "name", .choice(Name.allCases.map(\.rawValue)), required: true, "The update rule.")

  private static let constants: [ObjectShape.Field] = [
    beta1.field, beta2.field, epsilon.field, trust.field, weightDecay.field,
    .init(
      "decay_exempt", .list(.choice(Exemption.allCases.map(\.rawValue)), count: 0...2),
      "Parameters without weight decay; none by default."),
  ]

  /// In a grid file, where the run's base learning rate and momentum stand beside the constants.
  static let shape = Shape.object(
    ObjectShape(
      fields: [
        nameField,
        .init(
          "learning_rate", .number(rateBounds), required: true,
          "The base learning rate."), momentum.field,
      ] + constants))

  /// In a training spec.
  static let constantsShape = Shape.object(ObjectShape(fields: [nameField] + constants))

  /// Nil where the name is none; the shape has said so.
  init?(_ node: JSON, at path: String, problems: inout [Problem]) {
    guard let name = node["name"]?.stringValue.flatMap(Name.init(rawValue:)) else { return nil }
    rule =
      switch name {
      case .sgd: .sgd
      case .momentum: .momentum
      case .nesterov: .nesterov
      case .adam:
        .adam(
          beta1: OptimizerSpec.beta1.value(in: node), beta2: OptimizerSpec.beta2.value(in: node),
          epsilon: OptimizerSpec.epsilon.value(in: node))
      case .lars: .lars(trust: OptimizerSpec.trust.value(in: node))
      }
    weightDecay = OptimizerSpec.weightDecay.value(in: node)
    let exempt = node["decay_exempt"]?.items?.compactMap(\.stringValue) ?? []
    decayExempt = Exemption.allCases.filter { exempt.contains($0.rawValue) }
    let foreign: [(String, Bool)] = [
      ("momentum", name.hasMomentum), ("beta1", name == .adam), ("beta2", name == .adam),
      ("epsilon", name == .adam), ("trust", name == .lars),
    ]
    for (key, isOwn) in foreign where !isOwn && node[key] != nil {
      problems.append(Problem(join(path, key), "does not belong to \(name.rawValue)"))
    }
  }

  package var json: JSON {
    var members: [JSON.Member] = [.init("name", .string(name.rawValue))]
    switch rule {
    case .sgd, .momentum, .nesterov: break
    case .adam(let beta1, let beta2, let epsilon):
      members += [
        OptimizerSpec.beta1.member(beta1), OptimizerSpec.beta2.member(beta2),
        OptimizerSpec.epsilon.member(epsilon),
      ]
    case .lars(let trust): members.append(OptimizerSpec.trust.member(trust))
    }
    members += [
      OptimizerSpec.weightDecay.member(weightDecay),
      .init("decay_exempt", .array(decayExempt.map { .string($0.rawValue) })),
    ]
    return .object(members)
  }
}
