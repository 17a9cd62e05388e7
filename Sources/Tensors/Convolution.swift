import CKernels

/// Two-dimensional convolution (cross-correlation), zero-padded, as products over gathered windows.
/// x[n][h][w][cin], weights[kh][kw][cin][cout], y[n][oh][ow][cout].
package struct Convolution: Sendable {
  package let window: Window
  package let outputChannels: Int

  package init(_ window: Window, outputChannels: Int) {
    self.window = window
    self.outputChannels = outputChannels
  }

  private var rowLength: Int { window.kernelHeight * window.kernelWidth * window.channels }

  /// A 1x1 convolution of stride 1 is a product of x as it stands.
  private var isPlainProduct: Bool {
    window.kernelHeight == 1 && window.kernelWidth == 1 && window.strideHeight == 1
      && window.strideWidth == 1 && window.padHeight == 0 && window.padWidth == 0
  }

  /// Output lines whose windows are gathered at once: about 128 Ki numbers, half of a usual L2 cache.
  private var linesPerBlock: Int { max(1, (128 << 10) / (rowLength * window.outWidth)) }

  /// Numbers of workspace that one lane needs.
  package var workspace: Int { isPlainProduct ? 0 : linesPerBlock * window.outWidth * rowLength }

  package var weightCount: Int { rowLength * outputChannels }

  package func forward(
    _ y: FloatPointer, x: FloatPointer, weights: FloatPointer, images: Int, team: Team,
    work: Workspace
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, lane in
      forEachBlock(of: cut[piece]) { lines in
        let rows = lines.count * window.outWidth
        let a = gather(x, lines, work[lane])
        BLAS.multiply(
          into: y + lines.lowerBound * window.outWidth * outputChannels, m: rows, n: outputChannels,
          k: rowLength, a, .plain, lda: rowLength, weights, .plain, ldb: outputChannels,
          ldc: outputChannels)
      }
    }
  }

  /// dw is overwritten with the sum over the images; dx, unless nil, is overwritten or added to.
  /// `partial` holds `Cut.most` times `weightCount` numbers.
  package func backward(
    dx: FloatPointer?, addToDx: Bool, dw: FloatPointer, dy: FloatPointer, x: FloatPointer,
    weights: FloatPointer, partial: FloatPointer, images: Int, team: Team, work: Workspace
  ) {
    let cut = Cut(images)
    let imageSize = window.height * window.width * window.channels
    team.run(cut.pieces) { piece, lane in
      let part = partial + piece * weightCount
      if let dx, !addToDx {
        (dx + cut[piece].lowerBound * imageSize).update(
          repeating: 0, count: cut[piece].count * imageSize)
      }
      var isFirst = true
      forEachBlock(of: cut[piece]) { lines in
        let rows = lines.count * window.outWidth
        let dyBlock = dy + lines.lowerBound * window.outWidth * outputChannels
        let a = gather(x, lines, work[lane])
        BLAS.multiply(
          into: part, m: rowLength, n: outputChannels, k: rows, a, .transposed, lda: rowLength,
          dyBlock, .plain, ldb: outputChannels, ldc: outputChannels, scale: isFirst ? 0 : 1)
        isFirst = false
        if let dx { backwardData(dx, dyBlock, weights, lines, work[lane]) }
      }
    }
    sumParts(dw, partial, cut.pieces, count: weightCount, team: team)
  }

  private func backwardData(
    _ dx: FloatPointer, _ dy: FloatPointer, _ weights: FloatPointer, _ lines: Range<Int>,
    _ columns: FloatPointer
  ) {
    let rows = lines.count * window.outWidth
    if isPlainProduct {
      let out = dx + lines.lowerBound * window.outWidth * rowLength
      BLAS.multiply(
        into: out, m: rows, n: rowLength, k: outputChannels, dy, .plain, lda: outputChannels,
        weights,
        .transposed, ldb: outputChannels, ldc: rowLength, scale: 1)
    } else {
      BLAS.multiply(
        into: columns, m: rows, n: rowLength, k: outputChannels, dy, .plain, lda: outputChannels,
        weights, .transposed, ldb: outputChannels, ldc: rowLength)
      ck_col2im_add(dx, columns, window.kernel, lines.lowerBound, lines.upperBound)
    }
  }

  private func gather(_ x: FloatPointer, _ lines: Range<Int>, _ columns: FloatPointer)
    -> FloatPointer
  {
    if isPlainProduct { return x + lines.lowerBound * window.outWidth * rowLength }
    ck_im2col(columns, x, window.kernel, lines.lowerBound, lines.upperBound)
    return columns
  }

  private func forEachBlock(of images: Range<Int>, _ body: (Range<Int>) -> Void) {
    let lines = images.lowerBound * window.outHeight..<images.upperBound * window.outHeight
    for first in stride(from: lines.lowerBound, to: lines.upperBound, by: linesPerBlock) {
      body(first..<min(first + linesPerBlock, lines.upperBound))
    }
  }
}

/// Sums `pieces` arrays of `count` numbers as a balanced tree.
func sumParts(_ out: FloatPointer, _ parts: FloatPointer, _ pieces: Int, count: Int, team: Team) {
  let cut = Cut(count)
  team.run(cut.pieces) { piece, _ in
    let range = cut[piece]
    ck_tree_sum(out + range.lowerBound, parts + range.lowerBound, pieces, count, range.count)
  }
}

/// A stretch of scratch numbers for each lane of a team.
package struct Workspace {
  /// Kept alive as long as somebody may write to it.
  private let floats: Floats
  let perLane: Int

  package init(_ floats: Floats, perLane: Int) {
    self.floats = floats
    self.perLane = perLane
  }

  package subscript(lane: Int) -> FloatPointer { floats.base + lane * perLane }
}

/// The geometry of a window that moves over an image: of convolutions and of pooling.
package struct Window: Hashable, Sendable {
  package var height, width, channels: Int
  package var kernelHeight, kernelWidth: Int
  package var strideHeight, strideWidth: Int
  package var padHeight, padWidth: Int

  package init(
    height: Int, width: Int, channels: Int, kernel: (Int, Int), stride: (Int, Int), pad: (Int, Int)
  ) {
    (self.height, self.width, self.channels) = (height, width, channels)
    (kernelHeight, kernelWidth) = kernel
    (strideHeight, strideWidth) = stride
    (padHeight, padWidth) = pad
    precondition(outHeight > 0 && outWidth > 0, "a window larger than its padded image: \(self)")
  }

  package var outHeight: Int { (height + 2 * padHeight - kernelHeight) / strideHeight + 1 }
  package var outWidth: Int { (width + 2 * padWidth - kernelWidth) / strideWidth + 1 }

  var kernel: ck_window {
    ck_window(
      height: Int32(height), width: Int32(width), channels: Int32(channels),
      out_height: Int32(outHeight), out_width: Int32(outWidth), kernel_height: Int32(kernelHeight),
      kernel_width: Int32(kernelWidth), stride_height: Int32(strideHeight),
      stride_width: Int32(strideWidth), pad_height: Int32(padHeight), pad_width: Int32(padWidth))
  }
}
