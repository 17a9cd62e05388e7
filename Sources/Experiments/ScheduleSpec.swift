import Values

/// When the noise scale of a run falls, and whether the learning rate or the batch makes it fall.

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

  static let ghost = DocumentField.integer(
    "ghost", 1...65_536, default: 128, "The ghost batch: samples that are normalized together")

  static let shape: Shape = {
    let count = Shape.integer(1...(1 << 40))
    return .object(
      ObjectShape(fields: [
        .init("size", count, "Samples an update at the start of training."),
        ghost.field,
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
                "learning_rate", .number(OptimizerSpec.rateBounds), required: true,
                "Of the reference point."),
              .init("momentum", .number(OptimizerSpec.momentumBounds), "Of the reference point."),
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
    ghost = BatchSpec.ghost.value(in: node)
    maximum =
      node["maximum"]?.intValue.map(Maximum.samples)
      ?? node["maximum"]?.stringValue.flatMap(BatchSpec.divisor).map(Maximum.fractionOfN)
    if let reference = node["scaling"],
      let rate = reference["learning_rate"].flatMap(Rational.init(literal:)),
      let size = reference["size"]?.intValue
    {
      let momentum = reference["momentum"].flatMap(Rational.init(literal:))
      scaling = Scaling(learningRate: rate, momentum: momentum, size: size)
    }
    switch (size, node["scaling"]) {
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
  /// The means by which the noise scale falls.
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

    static let endBounds = Values.Shape.Bounds.from(0, to: 1)
    static let powerBounds = Values.Shape.Bounds.above(0, to: 100)

    static let end = DocumentField.number(
      "end", endBounds, default: "0", "Final over initial noise scale")
    static let power = DocumentField.number(
      "power", powerBounds, default: "1", "polynomial: its power")
    static let factor = DocumentField.number(
      "factor", .above(1, to: 1e6), default: "2", "increase: the batch grows by this")

    init?(_ node: JSON) {
      guard let shape = node["shape"]?.stringValue.flatMap(Shape.init(rawValue:)) else {
        return nil
      }
      self.shape = shape
      end = Self.end.value(in: node)
      power = Self.power.value(in: node)
      factor = Self.factor.value(in: node)
    }
  }

  package struct WarmUp: Hashable, Sendable {
    package var epochs: Rational
    package var from: Rational

    /// The warm-up may begin at 0, which a base rate may not be.
    static let bounds = Shape.Bounds.from(0, to: OptimizerSpec.rateBounds.high)
    static let from = DocumentField.number(
      "from", bounds, default: "0", "The rate at the start")

    init?(_ node: JSON) {
      guard let epochs = node["epochs"].flatMap(Rational.init(literal:)) else { return nil }
      self.epochs = epochs
      from = Self.from.value(in: node)
    }
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
          .init(
            "name", name, required: true,
            "Whether the learning rate or the batch makes the noise scale fall."),
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
                Curve.end.field, Curve.power.field, Curve.factor.field,
              ])), "The noise scale falls along a curve."),
          batchDrops.field,
          .init(
            "warm_up",
            .object(
              ObjectShape(fields: [
                .init("epochs", .number(.above(0)), required: true, "The rate rises over so many."),
                WarmUp.from.field,
              ])), "Linear warm-up of the learning rate."),
        ])),
    ])
  }()

  private static let batchDrops = DocumentField.integer(
    "batch_drops", 0...100, default: 1, "hybrid: drops that the batch pays")

  /// Nil where the name or the curve's form is none; the shape has said so.
  init?(_ node: JSON, at path: String, problems: inout [Problem]) {
    let written = node.stringValue ?? node["name"]?.stringValue
    guard let name = written.flatMap(Name.init(rawValue:)) else { return nil }
    self.name = name
    batchDrops = ScheduleSpec.batchDrops.value(in: node)
    drops = ScheduleSpec.drops(node["drops"], at: join(path, "drops"), problems: &problems)
    if let node = node["curve"] {
      guard let curve = Curve(node) else { return nil }
      self.curve = curve
    }
    if let node = node["warm_up"] {
      guard let warmUp = WarmUp(node) else { return nil }
      self.warmUp = warmUp
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
    let same = node["factor"].flatMap(Rational.init(literal:))
    guard let factors = each ?? same.map({ Array(repeating: $0, count: epochs.count) }) else {
      return []
    }
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
