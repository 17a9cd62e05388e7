import CKernels

/// Mean and variance of a stored value's channels over one ghost batch, gathered piece by piece while
/// the value is written and merged as a balanced tree (Chan et al. 1979).
///
/// Each piece of work writes to its own part.
package final class Moments {
  package let channels: Int
  private let storage: UnsafeMutablePointer<Double>
  private let pieces: UnsafeMutablePointer<ck_moments>

  package init(channels: Int) {
    self.channels = channels
    storage = .allocate(capacity: 4 * Cut.most * channels)
    storage.initialize(repeating: 0, count: 4 * Cut.most * channels)
    pieces = .allocate(capacity: Cut.most)
    for piece in 0..<Cut.most {
      let at = storage + 4 * piece * channels
      pieces[piece] = ck_moments(
        mean: at, deviation: at + channels, work: at + 2 * channels, count: 0)
    }
  }

  deinit {
    storage.deallocate()
    pieces.deallocate()
  }

  /// Forgets what was gathered; before the value is written.
  package func begin() { for piece in 0..<Cut.most { pieces[piece].count = 0 } }

  /// Takes in rows of a piece of work, in their order.
  package func gather(_ rows: FloatPointer, count: Int, piece: Int) {
    ck_add_moments(pieces + piece, rows, count, Int32(channels))
  }

  /// The statistics over all pieces; variances are divided by the number of rows.
  package func merged() -> BatchNormalization.Statistics {
    let used = (0..<Cut.most).prefix { pieces[$0].count > 0 }.count
    ck_merge_moments(pieces, Int32(used), Int32(channels))
    let rows = pieces[0].count
    return .init(
      mean: (0..<channels).map { pieces[0].mean[$0] },
      variance: (0..<channels).map { pieces[0].deviation[$0] / rows }, rows: Int(rows))
  }
}

/// Batch norm of a stored value, optionally followed by ReLU, as a way to see it:
/// gamma (x - mean) / sqrt(var + eps) + beta is computed by whoever reads the value.
package final class BatchNormalization {
  package static let epsilon = 1e-5

  /// Of one ghost batch; variances are biased, divided by the number of rows.
  package struct Statistics: Sendable {
    package var mean: [Double]
    package var variance: [Double]
    package var rows: Int
  }

  package let channels: Int
  package let relu: Bool
  /// Of the last ghost batch in training.
  package private(set) var statistics: Statistics?
  /// mean, scale, shift; then the backward's slope, level, lean.
  private let numbers: Floats
  /// Of each piece of work the sums of g, then those of g (x - mean).
  private let sums: UnsafeMutablePointer<Double>

  package init(channels: Int, relu: Bool) {
    self.channels = channels
    self.relu = relu
    numbers = Floats(count: 6 * channels)
    sums = .allocate(capacity: 2 * Cut.most * channels)
    sums.initialize(repeating: 0, count: 2 * Cut.most * channels)
  }

  deinit { sums.deallocate() }

  private var mean: FloatPointer { numbers.base }
  private var scale: FloatPointer { numbers.base + channels }
  private var shift: FloatPointer { numbers.base + 2 * channels }

  /// The value x as it is seen through this norm.
  package func source(_ x: FloatPointer) -> Source {
    Source(x, mean: mean, scale: scale, shift: shift, relu: relu)
  }

  // MARK: - Forward

  package func use(_ moments: Moments, gamma: FloatPointer, beta: FloatPointer) {
    let found = moments.merged()
    statistics = found
    set(mean: { found.mean[$0] }, variance: { found.variance[$0] }, gamma, beta)
  }

  package func use(
    runningMean: FloatPointer, runningVariance: FloatPointer, gamma: FloatPointer,
    beta: FloatPointer
  ) {
    set(
      mean: { Double(runningMean[$0]) }, variance: { Double(runningVariance[$0]) }, gamma, beta)
  }

  private func set(
    mean: (Int) -> Double, variance: (Int) -> Double, _ gamma: FloatPointer, _ beta: FloatPointer
  ) {
    for c in 0..<channels {
      self.mean[c] = Float(mean(c))
      scale[c] = Float(
        Double(gamma[c]) / (variance(c) + BatchNormalization.epsilon).squareRoot())
      shift[c] = beta[c]
    }
  }

  // MARK: - Backward

  /// Before the first gradient is gathered.
  package func beginBackward() { sums.update(repeating: 0, count: 2 * Cut.most * channels) }

  func gather(_ g: FloatPointer, _ view: ck_view, x: UnsafePointer<Float>, rows: Int, piece: Int) {
    let at = sums + 2 * piece * channels
    ck_finish_gradient(at, at + channels, g, x, view, rows, Int32(channels))
  }

  /// The gradient of the stored value x from the finished gradient g of the view, or of what a pool
  /// before this norm has left of it; dgamma and dbeta are overwritten.
  package func backward(
    dgamma: FloatPointer, dbeta: FloatPointer, gamma: FloatPointer, g: FloatPointer,
    x: FloatPointer, extent: (height: Int, width: Int), pool: PoolBeforeNorm? = nil
  ) -> NormGradient {
    NormGradient(
      coefficients: coefficients(dgamma: dgamma, dbeta: dbeta, gamma: gamma), g: g, x: x,
      height: extent.height, width: extent.width, channels: channels, pool: pool)
  }

  /// Merges the sums into dgamma and dbeta, and says what the gradient takes of each channel.
  private func coefficients(dgamma: FloatPointer, dbeta: FloatPointer, gamma: FloatPointer)
    -> ck_norm_gradient
  {
    guard let statistics else {
      preconditionFailure("backward of a batch norm without forward in training mode")
    }
    ck_merge_sums(sums, Int32(Cut.most), 2 * channels)
    let rows = Double(statistics.rows)
    let (slope, level, lean) = (
      numbers.base + 3 * channels, numbers.base + 4 * channels,
      numbers.base + 5 * channels
    )
    for i in 0..<channels {
      let inverse = 1 / (statistics.variance[i] + BatchNormalization.epsilon).squareRoot()
      let (sum, product) = (sums[i], sums[channels + i])
      dbeta[i] = Float(sum)
      dgamma[i] = Float(product * inverse)
      let scale = Double(gamma[i]) * inverse
      slope[i] = Float(scale)
      level[i] = Float(scale * sum / rows)
      lean[i] = Float(scale * product * inverse * inverse / rows)
    }
    return ck_norm_gradient(mean: mean, slope: slope, level: level, lean: lean)
  }
}

/// The part of a view's backward that needs one row at a time: it applies the ReLU's mask and adds to
/// batch norm's sums. Called for rows while they are in the cache.
package struct GradientFinish {
  private let source: Source
  private let channels: Int
  private let norm: BatchNormalization?

  package init(_ source: Source, channels: Int, norm: BatchNormalization?) {
    self.source = source
    self.channels = channels
    self.norm = norm
  }

  /// Rows [first, first + count) of the gradient g, which are those of a piece of work in order.
  func rows(_ g: FloatPointer, first: Int, count: Int, piece: Int) {
    let (g, x) = (g + first * channels, source.base + first * channels)
    if let norm {
      norm.gather(g, source.view, x: x, rows: count, piece: piece)
    } else {
      ck_finish_gradient(nil, nil, g, x, source.view, count, Int32(channels))
    }
  }

  /// All rows, where no kernel finished them while it wrote them.
  package func all(_ g: FloatPointer, images: Int, pixels: Int, team: Team) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      rows(
        g, first: cut[piece].lowerBound * pixels, count: cut[piece].count * pixels, piece: piece)
    }
  }
}
