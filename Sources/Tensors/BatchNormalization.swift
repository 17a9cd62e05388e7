import CKernels

/// Batch norm over the rows of x[rows][channels], rows being images times pixels of one ghost batch,
/// optionally followed by ReLU. y = gamma (x - mean) / sqrt(var + eps) + beta.
package struct BatchNormalization: Sendable {
  package let channels: Int
  package let relu: Bool
  package static let epsilon = 1e-5

  package init(channels: Int, relu: Bool) {
    self.channels = channels
    self.relu = relu
  }

  /// What forward leaves for backward and for the running statistics.
  package struct Statistics {
    package var mean: [Double]
    /// Biased: divided by the number of rows.
    package var variance: [Double]
    package var rows: Int
  }

  /// Mean and variance: per piece in two passes, then merged as a balanced tree (Chan et al. 1979).
  package func statistics(of x: FloatPointer, images: Int, pixels: Int, team: Team) -> Statistics {
    let cut = Cut(images)
    var mean = [Double](repeating: 0, count: cut.pieces * channels)
    var deviation = mean
    mean.withUnsafeMutableBufferPointer { mean in
      deviation.withUnsafeMutableBufferPointer { deviation in
        let (mean, deviation) = (mean.baseAddress!, deviation.baseAddress!)
        team.run(cut.pieces) { piece, _ in
          ck_moments(
            mean + piece * channels, deviation + piece * channels,
            x + cut[piece].lowerBound * pixels * channels, cut[piece].count * pixels,
            Int32(channels))
        }
      }
    }
    func merged(_ pieces: Range<Int>, _ c: Int) -> (count: Double, mean: Double, deviation: Double)
    {
      if pieces.count == 1 {
        let at = pieces.lowerBound * channels + c
        return (Double(cut[pieces.lowerBound].count * pixels), mean[at], deviation[at])
      }
      let middle = pieces.lowerBound + pieces.count / 2
      let (a, b) = (merged(pieces.lowerBound..<middle, c), merged(middle..<pieces.upperBound, c))
      let (count, delta) = (a.count + b.count, b.mean - a.mean)
      return (
        count, a.mean + delta * b.count / count,
        a.deviation + b.deviation + delta * delta * a.count * b.count / count
      )
    }
    let all = (0..<channels).map { merged(0..<cut.pieces, $0) }
    let rows = images * pixels
    return Statistics(
      mean: all.map(\.mean), variance: all.map { $0.deviation / Double(rows) }, rows: rows)
  }

  package func normalize(
    _ y: FloatPointer, x: FloatPointer, mean: [Double], variance: [Double], gamma: FloatPointer,
    beta: FloatPointer, images: Int, pixels: Int, team: Team
  ) {
    let center = mean.map(Float.init)
    let scale = (0..<channels).map {
      Float(Double(gamma[$0]) / (variance[$0] + BatchNormalization.epsilon).squareRoot())
    }
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      let at = cut[piece].lowerBound * pixels * channels
      ck_normalize(
        y + at, x + at, center, scale, beta, cut[piece].count * pixels, Int32(channels),
        relu ? 1 : 0)
    }
  }

  /// dx (overwritten or added to), dgamma and dbeta (overwritten) from dy, with what forward saw.
  package func backward(
    dx: FloatPointer, addToDx: Bool, dgamma: FloatPointer, dbeta: FloatPointer, dy: FloatPointer,
    x: FloatPointer, y: FloatPointer, statistics: Statistics, gamma: FloatPointer, images: Int,
    pixels: Int, team: Team
  ) {
    let mean = statistics.mean.map(Float.init)
    let (sums, products) = sums(
      dy: dy, x: x, y: y, mean: mean, images: images, pixels: pixels, team: team)
    let rows = Double(statistics.rows)
    var (a, b, c) = ([Float](), [Float](), [Float]())
    for i in 0..<channels {
      let inverse = 1 / (statistics.variance[i] + BatchNormalization.epsilon).squareRoot()
      dbeta[i] = Float(sums[i])
      dgamma[i] = Float(products[i] * inverse)
      let scale = Double(gamma[i]) * inverse
      a.append(Float(scale))
      b.append(Float(scale * sums[i] / rows))
      c.append(Float(scale * products[i] * inverse * inverse / rows))
    }
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      let at = cut[piece].lowerBound * pixels * channels
      ck_normalize_backward(
        dx + at, dy + at, x + at, y + at, mean, a, b, c, cut[piece].count * pixels, Int32(channels),
        relu ? 1 : 0, addToDx ? 1 : 0)
    }
  }

  private func sums(
    dy: FloatPointer, x: FloatPointer, y: FloatPointer, mean: [Float], images: Int, pixels: Int,
    team: Team
  ) -> ([Double], [Double]) {
    let cut = Cut(images)
    var sums = [Double](repeating: 0, count: cut.pieces * channels)
    var products = sums
    sums.withUnsafeMutableBufferPointer { sums in
      products.withUnsafeMutableBufferPointer { products in
        let (sums, products) = (sums.baseAddress!, products.baseAddress!)
        team.run(cut.pieces) { piece, _ in
          let at = cut[piece].lowerBound * pixels * channels
          ck_normalize_sums(
            sums + piece * channels, products + piece * channels, dy + at, x + at, y + at, mean,
            cut[piece].count * pixels, Int32(channels), relu ? 1 : 0)
        }
      }
    }
    func tree(_ parts: [Double], _ pieces: Range<Int>, _ c: Int) -> Double {
      if pieces.count == 1 { return parts[pieces.lowerBound * channels + c] }
      let middle = pieces.lowerBound + pieces.count / 2
      return tree(parts, pieces.lowerBound..<middle, c) + tree(parts, middle..<pieces.upperBound, c)
    }
    return (
      (0..<channels).map { tree(sums, 0..<cut.pieces, $0) },
      (0..<channels).map { tree(products, 0..<cut.pieces, $0) }
    )
  }
}
