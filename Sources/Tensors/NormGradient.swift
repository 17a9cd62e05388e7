import CKernels

/// The gradient of a normalized value. It is stored, or the operation that reads it computes it line by
/// line.
package struct NormGradient {
  private let coefficients: ck_norm_gradient
  private let g, x: FloatPointer
  private let height, width, channels: Int
  private let pool: PoolBeforeNorm?

  init(
    coefficients: ck_norm_gradient, g: FloatPointer, x: FloatPointer, height: Int, width: Int,
    channels: Int, pool: PoolBeforeNorm?
  ) {
    (self.coefficients, self.g, self.x) = (coefficients, g, x)
    (self.height, self.width, self.channels, self.pool) = (height, width, channels, pool)
  }

  /// All of it; dx (overwritten or added to) may be g where there is no pool.
  package func write(_ dx: FloatPointer, adds: Bool, images: Int, team: Team) {
    precondition(!(adds && pool != nil), "a pool's gradient is never added to another")
    let cut = Cut(images)
    let image = height * width * channels
    team.run(cut.pieces) { piece, _ in
      if pool != nil {
        for n in cut[piece] { lines(dx + n * image, n, 0..<height) }
      } else {
        let at = cut[piece].lowerBound * image
        ck_normalize_backward(
          dx + at, g + at, x + at, coefficients, cut[piece].count * height * width,
          Int32(channels), adds ? 1 : 0)
      }
    }
  }

  /// Lines of an image.
  func lines(_ out: FloatPointer, _ image: Int, _ lines: Range<Int>) {
    if let pool {
      pool.backward(out, dy: g, norm: coefficients, image: image, lines: lines)
    } else {
      let at = (image * height + lines.lowerBound) * width * channels
      ck_normalize_backward(
        out, g + at, x + at, coefficients, lines.count * width, Int32(channels), 0)
    }
  }
}
