import Foundation
import Values

/// What determines an update inside a stage: the batch, the momentum and the learning rate as a
/// function of the sample clock.
package struct Law: Hashable, Sendable {
  package var batch: Int
  package var momentum: Rational?
  package var rate: RateLaw

  package init(batch: Int, momentum: Rational?, rate: RateLaw) {
    self.batch = batch
    self.momentum = momentum
    self.rate = rate
  }

  package var json: JSON {
    [
      "batch": .integer(batch), "momentum": momentum.map { .string($0.description) } ?? .null,
      "rate": rate.json,
    ]
  }

  package init?(_ node: JSON) {
    guard let batch = node["batch"]?.intValue, batch > 0,
      let rate = node["rate"].flatMap(RateLaw.init)
    else { return nil }
    let written = node["momentum"] ?? .null
    let momentum = written.stringValue.flatMap { Rational($0) }
    guard momentum != nil || written.isNull else { return nil }
    self.init(batch: batch, momentum: momentum, rate: rate)
  }

  /// SGD's noise scale at an update whose first sample is this one, over `samples` of an epoch (N): of a
  /// constant rate with the exact fraction, of others with the rate in single precision.
  package func noiseScale(at sample: Int, samples: Int) -> NoiseScale {
    NoiseScale(
      rate: rate.isConstant ? rate.base.double : Double(rate.value(at: sample)), samples: samples,
      batch: batch, momentum: momentum?.double)
  }

  /// Why no planner makes this law for such an optimizer, if none does. Between these bounds a rate is finite
  /// and not below 0 at every sample.
  package func problem(for optimizer: OptimizerSpec.Name) -> String? {
    guard (momentum != nil) == optimizer.hasMomentum else {
      return "\(optimizer.rawValue) \(momentum == nil ? "needs" : "has no") momentum"
    }
    if let momentum, !OptimizerSpec.momentumBounds.contains(momentum.double) {
      return "its momentum is \(momentum.double)"
    }
    guard rate.base >= .zero, rate.base.float.isFinite else {
      return "its learning rate is \(rate.base.double)"
    }
    if let warmUp = rate.warmUp, !ScheduleSpec.WarmUp.bounds.contains(warmUp.from.double) {
      return "its warm-up begins at \(warmUp.from.double)"
    }
    if let curve = rate.curve {
      let isSound =
        ScheduleSpec.Curve.endBounds.contains(curve.end.double)
        && ScheduleSpec.Curve.powerBounds.contains(curve.power.double)
        && (curve.shape != .exponential || curve.end > .zero)
      guard isSound else {
        return "its \(curve.shape.rawValue) curve has the end \(curve.end.double) and the power "
          + "\(curve.power.double)"
      }
    }
    return nil
  }

  /// With numbers as they are used: two laws with the same identity train the same bits.
  var identity: JSON {
    [
      "batch": .integer(batch), "momentum": momentum?.json ?? .null,
      "rate": rate.isConstant ? rate.base.json : rate.json,
    ]
  }
}

/// The learning rate as a function of the sample clock: a base, that may follow a curve, that may be
/// reached by a linear warm-up.
package struct RateLaw: Hashable, Sendable {
  /// The rate where the curve is 1 and the warm-up is over. Of a curve that the batch pays it is the run's
  /// base rate times what the batch has grown by.
  package var base: Rational
  package var curve: Curve?
  package var warmUp: WarmUp?

  package struct Curve: Hashable, Sendable {
    package var shape: ScheduleSpec.Curve.Shape
    package var end: Rational
    package var power: Rational
    /// Samples over which the curve falls from 1 to `end`.
    package var samples: Int

    /// The curve at a sample clock, in [end, 1].
    package func value(at sample: Int) -> Double {
      let t = min(1, max(0, Double(sample) / Double(samples)))
      let end = end.double
      switch shape {
      case .cosine: return end + (1 - end) * (1 + cos(Double.pi * t)) / 2
      case .exponential: return pow(end, t)
      case .polynomial: return end + (1 - end) * pow(1 - t, power.double)
      }
    }
  }

  package struct WarmUp: Hashable, Sendable {
    package var from: Rational
    package var samples: Int
  }

  package init(base: Rational, curve: Curve? = nil, warmUp: WarmUp? = nil) {
    self.base = base
    self.curve = curve
    self.warmUp = warmUp
  }

  package var isConstant: Bool { curve == nil && warmUp == nil }

  package var name: String {
    if warmUp != nil { return "warm-up" }
    return curve?.shape.rawValue ?? "constant"
  }

  /// The rate of an update whose first sample is this one.
  package func value(at sample: Int) -> Float {
    guard !isConstant else { return base.float }
    var value = base.double * (curve?.value(at: sample) ?? 1)
    if let warmUp, sample < warmUp.samples {
      let from = warmUp.from.double
      value = from + (value - from) * Double(sample) / Double(warmUp.samples)
    }
    return Float(value)
  }

  package var json: JSON {
    var members: [JSON.Member] = [.init("base", .string(base.description))]
    if let curve {
      members.append(
        .init(
          "curve",
          [
            "shape": .string(curve.shape.rawValue), "end": .string(curve.end.description),
            "power": .string(curve.power.description), "samples": .integer(curve.samples),
          ]))
    }
    if let warmUp {
      members.append(
        .init(
          "warm_up",
          ["from": .string(warmUp.from.description), "samples": .integer(warmUp.samples)]))
    }
    return .object(members)
  }

  package init?(_ node: JSON) {
    func rational(_ node: JSON?) -> Rational? { node?.stringValue.flatMap { Rational($0) } }
    guard let base = rational(node["base"]) else { return nil }
    self.init(base: base)
    if let curve = node["curve"] {
      guard
        let shape = curve["shape"]?.stringValue.flatMap(ScheduleSpec.Curve.Shape.init(rawValue:)),
        let end = rational(curve["end"]), let power = rational(curve["power"]),
        let samples = curve["samples"]?.intValue, samples > 0
      else { return nil }
      self.curve = Curve(shape: shape, end: end, power: power, samples: samples)
    }
    if let warmUp = node["warm_up"] {
      guard let from = rational(warmUp["from"]), let samples = warmUp["samples"]?.intValue,
        samples > 0
      else { return nil }
      self.warmUp = WarmUp(from: from, samples: samples)
    }
  }
}

/// SGD's noise scale (Smith and Le 2017): g = e/(1 - m) (N/B - 1), about e N / (B (1 - m)).
package struct NoiseScale: Equatable, Sendable {
  package let approximate: Double
  package let exact: Double

  /// Without a momentum, m is 0.
  package init(rate: Double, samples: Int, batch: Int, momentum: Double?) {
    let damping = 1 - (momentum ?? 0)
    approximate = rate * Double(samples) / (Double(batch) * damping)
    exact = rate / damping * (Double(samples) / Double(batch) - 1)
  }
}
