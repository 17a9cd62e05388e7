import CKernels

/// One step of an optimizer over a stretch of parameters that share a weight decay.
package enum UpdateRule: Sendable {
  case sgd
  case momentum(Float)
  case nesterov(Float)
  case adam(beta1: Double, beta2: Double, epsilon: Double)

  /// Arrays of state, each as long as the parameters.
  package var slots: [String] {
    switch self {
    case .sgd: []
    case .momentum, .nesterov: ["velocity"]
    case .adam: ["first_moment", "second_moment"]
    }
  }

  /// `step` counts from 1. `slots` are the state arrays at the same place as `w` and `g`.
  package func apply(
    w: FloatPointer, g: FloatPointer, slots: [FloatPointer], count: Int, rate: Float, decay: Float,
    step: Int, team: Team
  ) {
    let cut = Cut(count)
    team.run(cut.pieces) { piece, _ in
      let (at, n) = (cut[piece].lowerBound, cut[piece].count)
      switch self {
      case .sgd: ck_sgd(w + at, g + at, n, rate, decay)
      case .momentum(let m): ck_momentum(w + at, slots[0] + at, g + at, n, rate, m, decay)
      case .nesterov(let m): ck_nesterov(w + at, slots[0] + at, g + at, n, rate, m, decay)
      case .adam(let beta1, let beta2, let epsilon):
        ck_adam(
          w + at, slots[0] + at, slots[1] + at, g + at, n, Double(rate), beta1, beta2, epsilon,
          Double(decay), 1 - power(beta1, step), 1 - power(beta2, step))
      }
    }
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
