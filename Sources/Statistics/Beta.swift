import Foundation

/// The beta function and the beta distribution, from which Student's t and the interval of a
/// proportion come.

/// ln Γ(x) for x > 0. `lgamma_r` is libc's lgamma without its global sign, so it is safe in
/// threads.
package func logGamma(_ x: Double) -> Double {
  precondition(x > 0, "ln Γ is asked for above 0 only, not at \(x)")
  var sign: Int32 = 0
  return lgamma_r(x, &sign)
}

/// ln B(a, b) for a, b > 0. From 10 on by Stirling's series, whose large terms are cancelled by
/// hand: as a difference of log gammas a value near 7 would have the rounding error of one near 6
/// million (Didonato and Morris 1992, TOMS 708).
package func logBeta(_ a: Double, _ b: Double) -> Double {
  let (small, large) = (min(a, b), max(a, b))
  guard large >= 10 else { return logGamma(a) + logGamma(b) - logGamma(a + b) }
  let power = (large - 0.5) * log1p(small / large)
  if small >= 10 {
    let corrections =
      stirlingCorrection(small) + stirlingCorrection(large) - stirlingCorrection(small + large)
    return 0.5 * log(2 * Double.pi / small) - power - small * log1p(large / small) + corrections
  }
  let corrections = stirlingCorrection(large) - stirlingCorrection(small + large)
  return logGamma(small) - power - small * (log(small + large) - 1) + corrections
}

/// ln Γ(x) less Stirling's (x - 1/2) ln x - x + ln(2π)/2, for x >= 10: Abramowitz and Stegun
/// 6.1.41.
private func stirlingCorrection(_ x: Double) -> Double {
  let inverse = 1 / (x * x)
  // The next term is below 1e-16 at 10.
  let coefficients: [Double] = [
    1.0 / 156, -691.0 / 360_360, 1.0 / 1188, -1.0 / 1680, 1.0 / 1260, -1.0 / 360, 1.0 / 12,
  ]
  return coefficients.reduce(0) { $0 * inverse + $1 } / x
}

/// The beta distribution with shapes a and b, on [0, 1].
package struct Beta: Equatable, Sendable {
  package let a: Double
  package let b: Double
  private let logFunction: Double

  package init(_ a: Double, _ b: Double) {
    precondition(
      a > 0 && a.isFinite && b > 0 && b.isFinite, "no beta distribution has shapes \(a) and \(b)")
    self.a = a
    self.b = b
    logFunction = logBeta(a, b)
  }

  /// P(X <= x): the regularized incomplete beta function.
  package func cumulative(_ x: Double) -> Double { cumulative(x, complement: 1 - x) }

  /// P(X > x), accurate where it is small.
  package func survival(_ x: Double) -> Double { survival(x, complement: 1 - x) }

  /// The x below which the share `p` of the distribution lies.
  package func quantile(lower p: Double) -> Double {
    precondition(p > 0 && p < 1, "no quantile of \(p)")
    return solve { x, y in
      let share = cumulative(x, complement: y)
      return (log(share / p), power(x, y) / share)
    }
  }

  /// The x above which the share `q` of the distribution lies.
  package func quantile(upper q: Double) -> Double {
    precondition(q > 0 && q < 1, "no quantile of \(q)")
    return solve { x, y in
      let share = survival(x, complement: y)
      return (-log(share / q), power(x, y) / share)
    }
  }

  /// Solves for the logit of x, in which the logarithms of both shares are concave.
  private func solve(_ function: (_ x: Double, _ y: Double) -> (value: Double, slope: Double))
    -> Double
  {
    let logit = rootOfRising(from: log(a / b), within: -700...700) { logit in
      function(1 / (1 + exp(-logit)), 1 / (1 + exp(logit)))
    }
    return 1 / (1 + exp(-logit))
  }

  /// `y` is 1 - x, which a caller may know better than this subtraction would.
  func cumulative(_ x: Double, complement y: Double) -> Double {
    precondition(!x.isNaN, "no share lies below \(x)")
    guard x > 0 else { return 0 }
    guard y > 0 else { return 1 }
    return isBelowCentre(x) ? below(x, y) : 1 - above(x, y)
  }

  func survival(_ x: Double, complement y: Double) -> Double {
    precondition(!x.isNaN, "no share lies above \(x)")
    guard x > 0 else { return 1 }
    guard y > 0 else { return 0 }
    return isBelowCentre(x) ? 1 - below(x, y) : above(x, y)
  }

  /// Where the continued fraction converges fast; beyond, that of the mirrored distribution does.
  private func isBelowCentre(_ x: Double) -> Bool { x * (a + b + 2) <= a + 1 }

  private func below(_ x: Double, _ y: Double) -> Double {
    power(x, y) / Beta.fraction(x, y, a, b)
  }

  private func above(_ x: Double, _ y: Double) -> Double {
    power(x, y) / Beta.fraction(y, x, b, a)
  }

  /// x^a y^b / B(a, b): the density of the logit of X.
  private func power(_ x: Double, _ y: Double) -> Double {
    let logX = x < 0.5 ? log(x) : log1p(-y)
    let logY = y < 0.5 ? log(y) : log1p(-x)
    return exp(a * logX + b * logY - logFunction)
  }

  /// The continued fraction of Didonato and Morris (1992, TOMS 708) by Lentz's method as Thompson
  /// and Barnett (1986) modified it. It knows x by a y - b x, without which large shapes would cost
  /// six digits; it takes some tens of terms, and about sqrt(max(a, b)) of them at most.
  private static func fraction(_ x: Double, _ y: Double, _ a: Double, _ b: Double) -> Double {
    func kept(_ value: Double) -> Double { abs(value) < 1e-300 ? 1e-300 : value }
    let centre = a * y - b * x + 1
    var fraction = kept(a * centre / (a + 1))
    var c = fraction
    var d = 0.0
    for term in 1...100_000 {
      let m = Double(term)
      let before = a + 2 * m - 1
      let numerator = m * (b - m) * x * x * ((a + m - 1) / before) * ((a + b + m - 1) / before)
      let denominator =
        m + m * (b - m) * x / before + (a + m) * (centre + m * (1 + y)) / (a + 2 * m + 1)
      d = 1 / kept(denominator + numerator * d)
      c = kept(denominator + numerator / c)
      fraction *= c * d
      // Two units in the last place of 1.
      if abs(c * d - 1) <= 0x1p-51 { return fraction }
    }
    preconditionFailure("the incomplete beta function of \(a), \(b) at \(x) did not converge")
  }
}
