import Values

/// How the noise scale of a run is annealed, and who pays for it.

package struct BatchSpec: Hashable, Sendable {
  package enum Maximum: Hashable, Sendable {
    case samples(Int)
    /// A fraction of the training set, rounded down to a valid batch: "N/10".
    case fractionOfN(Int)
  }

  /// The batch of a reference point; batches scale with the learning rate and with 1/(1 - m).
  package struct Scaling: Hashable, Sendable {
    package var learningRate: Rational
    package var momentum: Rational?
    package var size: Int
  }

  /// Samples an update at the start; nil when `scaling` decides.
  package var size: Int?
  package var ghost: Int
  package var maximum: Maximum?
  package var scaling: Scaling?

  static let ghostShape = Shape.integer(1...65_536)

  static let shape: Shape = {
    let count = Shape.integer(1...(1 << 40))
    return .object(
      ObjectShape(fields: [
        .init("size", count, "Samples an update at the start of training."),
        .init("ghost", ghostShape, "The ghost batch: samples that are normalized together."),
        .init(
          "maximum",
          .either([
            count,
            .word(
              allowed: "a fraction of the training set such as \"N/10\"",
              pattern: "^N/[1-9][0-9]*$",
              near: ["N/10"], accepts: { BatchSpec.divisor(of: $0) != nil }),
          ]), "The largest batch; past it the learning rate pays."),
        .init(
          "scaling",
          .object(
            ObjectShape(fields: [
              .init(
                "learning_rate", .number(.above(0, to: OptimizerSpec.highestRate)), required: true,
                "Of the reference point."),
              .init("momentum", .number(.from(0, to: 0.9999)), "Of the reference point."),
              .init("size", count, required: true, "The batch of the reference point."),
            ])), "Scale the first batch with the learning rate from this reference point."),
      ]))
  }()

  static func divisor(of text: String) -> Int? {
    guard text.hasPrefix("N/"), let value = Int(text.dropFirst(2)), value >= 1, value < 1 << 40
    else {
      return nil
    }
    return value
  }

  init(_ node: JSON, at path: String, problems: inout [Problem]) {
    size = node["size"]?.intValue
    ghost = node["ghost"]?.intValue ?? 128
    maximum =
      node["maximum"]?.intValue.map(Maximum.samples)
      ?? node["maximum"]?.stringValue.flatMap(BatchSpec.divisor).map(Maximum.fractionOfN)
    if let reference = node["scaling"] {
      scaling = Scaling(
        learningRate: reference["learning_rate"].flatMap(Rational.init(literal:)) ?? .one,
        momentum: reference["momentum"].flatMap(Rational.init(literal:)),
        size: reference["size"]?.intValue ?? 1)
    }
    switch (size, scaling) {
    case (nil, nil):
      problems.append(Problem(join(path, "size"), "is missing: give size or scaling"))
    case (_?, _?):
      problems.append(
        Problem(join(path, "scaling"), "decides the first batch; leave out \(join(path, "size"))"))
    default: break
    }
  }

  /// Batches are multiples of the ghost batch, or smaller than one.
  func isValid(_ batch: Int) -> Bool { batch < ghost || batch % ghost == 0 }

  /// The largest valid batch not above a wanted size.
  func largestValid(notAbove wanted: Int) -> Int {
    wanted < ghost ? max(1, wanted) : wanted / ghost * ghost
  }
}

package struct ScheduleSpec: Hashable, Sendable {
  /// Who pays for a falling noise scale.
  package enum Name: String, CaseIterable, Sendable {
    case constant, decay, hybrid, increase
  }

  package struct Drop: Hashable, Sendable {
    package var epoch: EpochMark
    package var factor: Rational
  }

  /// A point of training: epochs from the start, or a fraction of the whole.
  package enum EpochMark: Hashable, Sendable {
    case epochs(Rational)
    case fraction(Rational)

    func epochs(of total: Rational) -> Rational {
      switch self {
      case .epochs(let value): value
      case .fraction(let part): part.multiplying(by: total) ?? total
      }
    }
  }

  package struct Curve: Hashable, Sendable {
    package enum Shape: String, CaseIterable, Sendable {
      case cosine, exponential, polynomial
    }
    package var shape: Shape
    /// The noise scale at the end over that at the start.
    package var end: Rational
    package var power: Rational
    /// Paid by the batch: it grows by this factor whenever the curve has fallen by it.
    package var factor: Rational
  }

  package struct WarmUp: Hashable, Sendable {
    package var epochs: Rational
    package var from: Rational
  }

  package var name: Name
  package var drops: [Drop]
  package var curve: Curve?
  /// Hybrid: how many of the first drops the batch pays.
  package var batchDrops: Int
  package var warmUp: WarmUp?

  static let shape: Shape = {
    let curves = Curve.Shape.allCases.map { shape in
      (shape.rawValue, #"{ "name": "decay", "curve": { "shape": "\#(shape.rawValue)" } }"#)
    }
    let linear = #"{ "name": "decay", "curve": { "shape": "polynomial" } }"#
    let drops = #"{ "name": "decay", "drops": { "epochs": [60, 120], "factor": 5 } }"#
    let name = Shape.choice(
      Name.allCases.map(\.rawValue),
      elsewhere: Dictionary(uniqueKeysWithValues: curves).merging([
        "linear": linear, "step": drops, "multistep": drops,
      ]) { $1 })
    let factor = Shape.number(.above(1, to: 1e6))
    return .either([
      name,
      .object(
        ObjectShape(fields: [
          .init("name", name, required: true, "Who pays for the falling noise scale."),
          .init(
            "drops",
            .object(
              ObjectShape(fields: [
                .init(
                  "epochs", .list(.fraction(.above(0), of: "all epochs"), count: 1...100),
                  required: true, "When the noise scale drops."),
                .init(
                  "factor", .either([factor, .list(factor, count: 1...100)]), required: true,
                  "By what: one factor for all, or one each."),
              ])), "The noise scale falls in steps."),
          .init(
            "curve",
            .object(
              ObjectShape(fields: [
                .init(
                  "shape", .choice(Curve.Shape.allCases.map(\.rawValue)), required: true,
                  "The form of the curve."),
                .init(
                  "end", .number(.from(0, to: 1)), "Final over initial noise scale; 0 by default."),
                .init("power", .number(.above(0, to: 100)), "polynomial: 1 by default."),
                .init("factor", factor, "increase: the batch grows by this; 2 by default."),
              ])), "The noise scale falls along a curve."),
          .init(
            "batch_drops", .integer(0...100), "hybrid: drops that the batch pays; 1 by default."),
          .init(
            "warm_up",
            .object(
              ObjectShape(fields: [
                .init("epochs", .number(.above(0)), required: true, "The rate rises over so many."),
                .init(
                  "from", .number(.from(0, to: OptimizerSpec.highestRate)),
                  "The rate at the start; 0 by default."),
              ])), "Linear warm-up of the learning rate."),
        ])),
    ])
  }()

  init(_ node: JSON, at path: String, problems: inout [Problem]) {
    name =
      (node.stringValue ?? node["name"]?.stringValue).flatMap(Name.init(rawValue:)) ?? .constant
    batchDrops = node["batch_drops"]?.intValue ?? 1
    drops = ScheduleSpec.drops(node["drops"], at: join(path, "drops"), problems: &problems)
    curve = node["curve"].map { node in
      Curve(
        shape: node["shape"]?.stringValue.flatMap(Curve.Shape.init(rawValue:)) ?? .cosine,
        end: node["end"].flatMap(Rational.init(literal:)) ?? .zero,
        power: node["power"].flatMap(Rational.init(literal:)) ?? .one,
        factor: node["factor"].flatMap(Rational.init(literal:)) ?? Rational(2))
    }
    warmUp = node["warm_up"].map { node in
      WarmUp(
        epochs: node["epochs"].flatMap(Rational.init(literal:)) ?? .one,
        from: node["from"].flatMap(Rational.init(literal:)) ?? .zero)
    }
    check(node, at: path, problems: &problems)
  }

  private func check(_ node: JSON, at path: String, problems: inout [Problem]) {
    let annealed = name != .constant
    if annealed, node["drops"] == nil, curve == nil {
      problems.append(Problem(path, "\(name.rawValue) needs \"drops\" or a \"curve\""))
    }
    if !drops.isEmpty, curve != nil {
      problems.append(Problem(join(path, "curve"), "give \"drops\" or a \"curve\", not both"))
    }
    if name == .hybrid, curve != nil {
      problems.append(Problem(join(path, "curve"), "hybrid takes drops only"))
    }
    if node["batch_drops"] != nil, name != .hybrid {
      problems.append(
        Problem(join(path, "batch_drops"), "belongs to hybrid, not to \(name.rawValue)"))
    }
    if let curve, curve.shape == .exponential, curve.end == .zero {
      problems.append(
        Problem(join(path, "curve.end"), "an exponential never reaches 0; give an end"))
    }
  }

  private static func drops(_ node: JSON?, at path: String, problems: inout [Problem]) -> [Drop] {
    guard let node, let marks = node["epochs"]?.items else { return [] }
    let epochs = marks.compactMap { mark -> EpochMark? in
      if let text = mark.stringValue { return Rational(text).map(EpochMark.fraction) }
      return Rational(literal: mark).map(EpochMark.epochs)
    }
    let each = node["factor"]?.items?.compactMap(Rational.init(literal:))
    let same = node["factor"].flatMap(Rational.init(literal:)) ?? Rational(5)
    let factors = each ?? Array(repeating: same, count: epochs.count)
    guard factors.count == epochs.count else {
      problems.append(
        Problem(
          join(path, "factor"),
          "found \(factors.count) factors for \(epochs.count) drops; give as many"))
      return []
    }
    return zip(epochs, factors).map { Drop(epoch: $0, factor: $1) }
  }
}
