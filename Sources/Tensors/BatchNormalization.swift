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
  /// mean, scale, shift; then the backward's a, b, c.
  private let coefficients: Floats
  /// Of each piece of work the sums of g, then those of g (x - mean).
  private let sums: UnsafeMutablePointer<Double>

  package init(channels: Int, relu: Bool) {
    self.channels = channels
    self.relu = relu
    coefficients = Floats(count: 6 * channels)
    sums = .allocate(capacity: 2 * Cut.most * channels)
    sums.initialize(repeating: 0, count: 2 * Cut.most * channels)
  }

  deinit { sums.deallocate() }

  private var mean: FloatPointer { coefficients.base }
  private var scale: FloatPointer { coefficients.base + channels }
  private var shift: FloatPointer { coefficients.base + 2 * channels }

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

  /// dx (overwritten or added to; may be g), dgamma and dbeta (overwritten) from the finished
  /// gradient g.
  package func backward(
    _ dx: FloatPointer, adds: Bool, dgamma: FloatPointer, dbeta: FloatPointer, g: FloatPointer,
    x: FloatPointer, gamma: FloatPointer, images: Int, pixels: Int, team: Team
  ) {
    guard let statistics else {
      preconditionFailure("backward of a batch norm without forward in training mode")
    }
    ck_merge_sums(sums, Int32(Cut.most), 2 * channels)
    let rows = Double(statistics.rows)
    let (a, b, c) = (
      coefficients.base + 3 * channels, coefficients.base + 4 * channels,
      coefficients.base + 5 * channels
    )
    for i in 0..<channels {
      let inverse = 1 / (statistics.variance[i] + BatchNormalization.epsilon).squareRoot()
      let (sum, product) = (sums[i], sums[channels + i])
      dbeta[i] = Float(sum)
      dgamma[i] = Float(product * inverse)
      let scale = Double(gamma[i]) * inverse
      a[i] = Float(scale)
      b[i] = Float(scale * sum / rows)
      c[i] = Float(scale * product * inverse * inverse / rows)
    }
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      let at = cut[piece].lowerBound * pixels * channels
      ck_normalize_backward(
        dx + at, g + at, x + at, mean, a, b, c, cut[piece].count * pixels, Int32(channels),
        adds ? 1 : 0)
    }
  }
}

/// What makes the gradient of a seen value that of the stored one, as far as rows by themselves can
/// tell: the ReLU's mask and batch norm's sums. Called for rows while they are in the cache.
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
