import Experiments
import Tensors
import Values

/// An optimizer's constants and its state over all parameters.
package final class Optimizer {
  private let spec: OptimizerSpec
  private let spans: [(range: Range<Int>, decay: Float)]
  /// State arrays by name, each as long as the parameters.
  package let slots: [(name: String, values: Floats)]

  package init(_ spec: OptimizerSpec, network: Network) {
    self.spec = spec
    let decay = spec.weightDecay.float
    var spans: [(range: Range<Int>, decay: Float)] = []
    for parameter in network.parameters {
      let exempt: Bool =
        switch parameter.kind {
        case .weight: false
        case .gamma, .beta: spec.decayExempt.contains(.batchNorm)
        case .bias: spec.decayExempt.contains(.bias)
        }
      let range = parameter.offset..<parameter.offset + parameter.count
      let own = exempt ? 0 : decay
      // LARS has a rate for each tensor; the others go through all that share a decay at once.
      if spec.name != .lars, let last = spans.last, last.decay == own {
        spans[spans.count - 1].range = last.range.lowerBound..<range.upperBound
      } else {
        spans.append((range, own))
      }
    }
    self.spans = spans
    slots = Optimizer.rule(spec, momentum: nil).slots.map {
      ($0, Floats(count: network.parameterCount))
    }
  }

  /// Arrays of state for each parameter, known before an optimizer is made.
  package static func slotCount(_ spec: OptimizerSpec) -> Int {
    rule(spec, momentum: nil).slots.count
  }

  /// One update with the gradient of the mean loss; `step` counts updates of the run from 1.
  package func step(
    parameters: Floats, gradient: Floats, rate: Float, momentum: Rational?, step: Int, team: Team
  ) {
    let rule = Optimizer.rule(spec, momentum: momentum)
    for (range, decay) in spans {
      let at = range.lowerBound
      rule.apply(
        w: parameters.base + at, g: gradient.base + at, slots: slots.map { $0.values.base + at },
        count: range.count, rate: rate, decay: decay, step: step, team: team)
    }
  }

  private static func rule(_ spec: OptimizerSpec, momentum: Rational?) -> UpdateRule {
    let m = momentum?.float ?? 0
    switch spec.rule {
    case .sgd: return .sgd
    case .momentum: return .momentum(m)
    case .nesterov: return .nesterov(m)
    case .lars(let trust): return .lars(momentum: m, trust: trust.double)
    case .adam(let beta1, let beta2, let epsilon):
      return .adam(beta1: beta1.double, beta2: beta2.double, epsilon: epsilon.double)
    }
  }
}
