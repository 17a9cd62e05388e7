import CKernels

/// y[n][out] = x[n][in] w[in][out] + bias, x being images of pixels and channels laid out flat.
package struct Dense: Sendable {
  package let inputs: Int
  package let outputs: Int
  private let pixels: Int

  package init(pixels: Int, channels: Int, outputs: Int) {
    self.pixels = pixels
    inputs = pixels * channels
    self.outputs = outputs
  }

  /// Numbers of one piece's share of dw and dbias.
  package var parameterCount: Int { (inputs + 1) * outputs }

  /// Numbers of workspace that a lane needs for `images` images that are not seen as they are stored.
  package func workspace(images: Int) -> Int { Cut.largestPiece(of: images) * inputs }

  /// The rows of a piece of work, as they are seen.
  private func rows(_ source: Source, _ piece: Range<Int>, _ work: FloatPointer)
    -> UnsafePointer<Float>
  {
    if source.isPlain { return source.base + piece.lowerBound * inputs }
    source.rows(
      work, piece.lowerBound * pixels..<piece.upperBound * pixels, channels: inputs / pixels)
    return UnsafePointer(work)
  }

  package func forward(
    _ y: FloatPointer, source: Source, weights: FloatPointer, bias: FloatPointer, images: Int,
    team: Team, work: Workspace, moments: Moments? = nil
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, lane in
      let (n, rows) = (cut[piece].lowerBound, cut[piece].count)
      let x = self.rows(source, cut[piece], work[lane])
      BLAS.multiply(
        into: y + n * outputs, m: rows, n: outputs, k: inputs, x, .plain, lda: inputs,
        weights, .plain, ldb: outputs, ldc: outputs)
      ck_add_bias(y + n * outputs, bias, rows, Int32(outputs))
      moments?.gather(y + n * outputs, count: rows, piece: piece)
    }
  }

  /// dw, directly followed by dbias, is overwritten; `partial` holds `Cut.most` times
  /// `parameterCount` numbers.
  package func backward(
    dx: FloatPointer?, adds: Bool, dw: FloatPointer, dy: FloatPointer, source: Source,
    weights: FloatPointer, partial: FloatPointer, images: Int, team: Team, work: Workspace,
    finish: GradientFinish? = nil
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, lane in
      let (n, rows) = (cut[piece].lowerBound, cut[piece].count)
      let x = self.rows(source, cut[piece], work[lane])
      let part = partial + piece * parameterCount
      BLAS.multiply(
        into: part, m: inputs, n: outputs, k: rows, x, .transposed, lda: inputs,
        dy + n * outputs, .plain, ldb: outputs, ldc: outputs)
      ck_column_sums(part + inputs * outputs, dy + n * outputs, rows, Int32(outputs))
      if let dx {
        BLAS.multiply(
          into: dx + n * inputs, m: rows, n: inputs, k: outputs, dy + n * outputs, .plain,
          lda: outputs,
          weights, .transposed, ldb: outputs, ldc: inputs, scale: adds ? 1 : 0)
        finish?.rows(dx, first: n * pixels, count: rows * pixels, piece: piece)
      }
    }
    sumParts(dw, partial, cut.pieces, count: parameterCount, team: team)
  }
}
