import Foundation

/// Solving for quantiles: distributions know their shares and densities, and this inverts them.

/// The root of a rising function: Newton's steps, and halving of the bracket where a step would
/// leave it or is not a number. Written for the logarithm of a share against a logarithm or a
/// logit: it is concave or convex, so that the steps arrive from one side; what underflows is
/// halved away.
func rootOfRising(
  from start: Double, within bracket: ClosedRange<Double>,
  _ function: (Double) -> (value: Double, slope: Double)
) -> Double {
  var (low, high) = (bracket.lowerBound, bracket.upperBound)
  var x = start
  // A bracket of 1400 is halved to 1e-15 in 61 steps; Newton takes about ten.
  for _ in 0..<200 {
    let (value, slope) = function(x)
    if value < 0 { low = x } else { high = x }
    let newton = x - value / slope
    let isInside = newton >= low && newton <= high
    let next = isInside ? newton : low + (high - low) / 2
    // Newton's error is about the square of its last step.
    if abs(next - x) < (isInside ? 1e-9 : 1e-15) { return next }
    x = next
  }
  return x
}

/// The quantile at `p` of a distribution that is symmetric about 0, solved for the logarithm of its
/// magnitude: from the share within ±x where that is below one half, else from the tail, so that
/// the relative error is small at both ends.
func symmetricQuantile(
  _ p: Double, density: (Double) -> Double, within: (Double) -> Double, tail: (Double) -> Double
) -> Double {
  precondition(p > 0 && p < 1, "no quantile of \(p)")
  // Exact for p in [1/4, 1].
  let inner = abs(2 * p - 1)
  guard inner > 0 else { return 0 }
  let outer = min(p, 1 - p)
  // e^±340 can still be squared.
  let logarithm = rootOfRising(from: 0, within: -340...340) { logarithm in
    let x = exp(logarithm)
    if inner < 0.5 {
      let share = within(x)
      return (log(share / inner), 2 * density(x) * x / share)
    }
    let share = tail(x)
    return (-log(share / outer), density(x) * x / share)
  }
  return p < 0.5 ? -exp(logarithm) : exp(logarithm)
}
