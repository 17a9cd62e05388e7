/// The gradient noise scale (McCandlish, Kaplan, Amodei et al. 2018): how many samples it takes until
/// the mean gradient is as large as its noise. Estimated from gradients of two batch sizes at the same
/// weights: those of the ghost batches, and their mean.
package struct GradientNoise: Equatable, Sendable {
  /// Sums of the estimates of |G|^2 and of tr(Sigma), and how many. Each is unbiased and may be
  /// negative; their ratio is taken of the means only.
  package var squareSum = 0.0
  package var varianceSum = 0.0
  package var estimates = 0
  /// Of the estimates, those from ghost batches that trained nothing, and the seconds that they took.
  package var probes = 0
  package var probeSeconds = 0.0
  /// Sum of the squared norms of the ghost gradients of the update under way.
  package var ghostSquares = 0.0

  package init() {}

  /// Takes an estimate from `ghosts` gradients of `ghost` samples each, whose squared norms were added
  /// to `ghostSquares`, and the squared norm of their mean.
  package mutating func close(total: Double, ghosts: Int, ghost: Int, isProbe: Bool) {
    defer { ghostSquares = 0 }
    guard ghosts > 1 else { return }
    let (small, large) = (Double(ghost), Double(ghosts * ghost))
    let mean = ghostSquares / Double(ghosts)
    squareSum += (large * total - small * mean) / (large - small)
    varianceSum += (mean - total) / (1 / small - 1 / large)
    estimates += 1
    if isProbe { probes += 1 }
  }

  package struct Means: Equatable, Sendable {
    /// |G|^2, the squared norm of the true gradient, and tr(Sigma), its variance for one sample.
    package var square: Double
    package var variance: Double
    package var estimates: Int
    package var probes: Int
    package var probeSeconds: Double
  }

  /// Of everything since the last measurement; nil without any estimate.
  package var means: Means? {
    guard estimates > 0 else { return nil }
    return Means(
      square: squareSum / Double(estimates), variance: varianceSum / Double(estimates),
      estimates: estimates, probes: probes, probeSeconds: probeSeconds)
  }
}

extension GradientNoise {
  /// As stored in a checkpoint.
  var sums: [Double] {
    [squareSum, varianceSum, Double(estimates), Double(probes), probeSeconds, ghostSquares]
  }

  /// Nil of what cannot be sums; none at all are those of a checkpoint that has none.
  init?(sums: [Double]) {
    self.init()
    guard !sums.isEmpty else { return }
    guard sums.count == 6, sums.allSatisfy(\.isFinite), let estimates = Int(exactly: sums[2]),
      let probes = Int(exactly: sums[3]), 0 <= probes, probes <= estimates, estimates <= 1 << 53
    else { return nil }
    (squareSum, varianceSum) = (sums[0], sums[1])
    (self.estimates, self.probes) = (estimates, probes)
    (probeSeconds, ghostSquares) = (sums[4], sums[5])
  }
}
