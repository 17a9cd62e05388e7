import Values

/// Which optimizer a run uses, with its constants. The learning rate here is the base rate, before
/// warm-up and schedule.

package struct OptimizerSpec: Hashable, Sendable {
  package enum Name: String, CaseIterable, Sendable {
    case sgd, momentum, nesterov, adam, lars

    /// Whether its steps are the learning rate times a mean gradient, as the noise scale has it: Adam
    /// and LARS scale each step by what they find.
    package var hasNoiseScale: Bool { self != .adam && self != .lars }
  }

  /// Parameters that weight decay leaves alone.
  package enum Exemption: String, CaseIterable, Sendable {
    case batchNorm = "batch_norm"
    case bias
  }

  package var name: Name
  package var learningRate: Rational
  /// m of momentum and Nesterov; nil for the others.
  package var momentum: Rational?
  package var beta1: Rational
  package var beta2: Rational
  package var epsilon: Rational
  /// LARS: the share of a tensor's length that a step at rate 1 takes.
  package var trust: Rational
  package var weightDecay: Rational
  package var decayExempt: [Exemption]

  /// No rate beyond this trains anything.
  static let highestRate = 1e9

  static let shape: Shape = {
    let name = Shape.choice(Name.allCases.map(\.rawValue))
    return .object(
      ObjectShape(fields: [
        .init("name", name, required: true, "The update rule."),
        .init(
          "learning_rate", .number(.above(0, to: highestRate)), required: true,
          "The base learning rate."),
        .init(
          "momentum", .number(.from(0, to: 0.9999)), "momentum, nesterov, lars: m; 0.9 by default."),
        .init("beta1", .number(.from(0, to: 0.9999)), "adam: 0.9 by default."),
        .init("beta2", .number(.from(0, to: 0.999999)), "adam: 0.999 by default."),
        .init("epsilon", .number(.above(0, to: 1)), "adam: 1e-8 by default."),
        .init("trust", .number(.above(0, to: 1)), "lars: 0.001 by default."),
        .init("weight_decay", .number(.from(0, to: 1)), "L2 coefficient; 0 by default."),
        .init(
          "decay_exempt", .list(.choice(Exemption.allCases.map(\.rawValue)), count: 0...2),
          "Parameters without weight decay; none by default."),
      ]))
  }()

  init(_ node: JSON, at path: String, problems: inout [Problem]) {
    func constant(_ key: String, _ fallback: String) -> Rational {
      node[key].flatMap(Rational.init(literal:)) ?? Rational(fallback)!
    }
    name = node["name"]?.stringValue.flatMap(Name.init(rawValue:)) ?? .sgd
    learningRate = constant("learning_rate", "0.1")
    let hasMomentum = name == .momentum || name == .nesterov || name == .lars
    momentum = hasMomentum ? constant("momentum", "0.9") : nil
    beta1 = constant("beta1", "0.9")
    beta2 = constant("beta2", "0.999")
    epsilon = constant("epsilon", "1e-8")
    trust = constant("trust", "0.001")
    weightDecay = constant("weight_decay", "0")
    let exempt = node["decay_exempt"]?.items?.compactMap(\.stringValue) ?? []
    decayExempt = Exemption.allCases.filter { exempt.contains($0.rawValue) }
    let foreign: [(String, Bool)] = [
      ("momentum", hasMomentum), ("beta1", name == .adam), ("beta2", name == .adam),
      ("epsilon", name == .adam), ("trust", name == .lars),
    ]
    for (key, isOwn) in foreign where !isOwn && node[key] != nil {
      problems.append(Problem(join(path, key), "does not belong to \(name.rawValue)"))
    }
  }

  package var json: JSON {
    var members: [JSON.Member] = [
      .init("name", .string(name.rawValue)), .init("learning_rate", learningRate.json),
    ]
    if let momentum { members.append(.init("momentum", momentum.json)) }
    if name == .adam {
      members += [
        .init("beta1", beta1.json), .init("beta2", beta2.json), .init("epsilon", epsilon.json),
      ]
    }
    if name == .lars { members.append(.init("trust", trust.json)) }
    members += [
      .init("weight_decay", weightDecay.json),
      .init("decay_exempt", .array(decayExempt.map { .string($0.rawValue) })),
    ]
    return .object(members)
  }
}

extension Rational {
  /// The decimal that is used in single precision.
  package var json: JSON { .real(float) }
}
