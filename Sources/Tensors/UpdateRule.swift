import CKernels

/// One step of an optimizer over a stretch of parameters that share a weight decay; for LARS, over one
/// tensor.
package enum UpdateRule: Sendable {
  case sgd
  case momentum(Float)
  case nesterov(Float)
  /// Each tensor's rate is scaled by trust |w| / (|g| + decay |w|); by 1 where one of the norms is 0,
  /// as of a bias at its start.
  case lars(momentum: Float, trust: Double)
  case adam(beta1: Double, beta2: Double, epsilon: Double)

  /// Arrays of state, each as long as the parameters.
  package var slots: [String] {
    switch self {
    case .sgd: []
    case .momentum, .nesterov, .lars: ["velocity"]
    case .adam: ["first_moment", "second_moment"]
    }
  }

  /// `step` counts from 1. `slots` are the state arrays at the same place as `w` and `g`.
  package func apply(
    w: FloatPointer, g: FloatPointer, slots: [FloatPointer], count: Int, rate: Float, decay: Float,
    step: Int, team: Team
  ) {
    let cut = Cut(count)
    let local = localRate(w: w, g: g, count: count, decay: decay, team: team)
    team.run(cut.pieces) { piece, _ in
      let (at, n) = (cut[piece].lowerBound, cut[piece].count)
      switch self {
      case .sgd: ck_sgd(w + at, g + at, n, rate, decay)
      case .momentum(let m): ck_momentum(w + at, slots[0] + at, g + at, n, rate, m, decay)
      case .nesterov(let m): ck_nesterov(w + at, slots[0] + at, g + at, n, rate, m, decay)
      case .lars(let m, _): ck_lars(w + at, slots[0] + at, g + at, n, rate, m, decay, local)
      case .adam(let beta1, let beta2, let epsilon):
        ck_adam(
          w + at, slots[0] + at, slots[1] + at, g + at, n, Double(rate), beta1, beta2, epsilon,
          Double(decay), 1 - power(beta1, step), 1 - power(beta2, step))
      }
    }
  }

  private func localRate(w: FloatPointer, g: FloatPointer, count: Int, decay: Float, team: Team)
    -> Float
  {
    guard case .lars(_, let trust) = self else { return 1 }
    let weight = Elementwise.squareSum(w, count: count, team: team).squareRoot()
    let gradient = Elementwise.squareSum(g, count: count, team: team).squareRoot()
    guard weight > 0, gradient > 0 else { return 1 }
    return Float(trust * weight / (gradient + Double(decay) * weight))
  }

  /// Repeated multiplication: the same bits on every C library.
  private func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= square }
      square *= square
      rest >>= 1
    }
    return result
  }
}
