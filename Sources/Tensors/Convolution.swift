import CKernels

/// Two-dimensional convolution (cross-correlation), zero-padded.
/// x[n][h][w][cin], weights[kh][kw][cin][cout], y[n][oh][ow][cout]. Which way it is computed depends on
/// its shape alone.
package struct Convolution: Sendable {
  package let window: Window
  package let outputChannels: Int
  private let method: Method

  private enum Method {
    case winograd(WinogradConvolution)
    case windows(WindowConvolution)
  }

  package init(_ window: Window, outputChannels: Int) {
    self.window = window
    self.outputChannels = outputChannels
    method =
      WinogradConvolution(window, outputChannels: outputChannels).map(Method.winograd)
      ?? .windows(WindowConvolution(window: window, outputs: outputChannels))
  }

  package var weightCount: Int {
    window.kernelHeight * window.kernelWidth * window.channels * outputChannels
  }

  /// Numbers of workspace that each lane needs, and that all lanes need together.
  package var workspace: Int {
    switch method {
    case .winograd(let convolution): convolution.workspace
    case .windows(let convolution): convolution.workspace
    }
  }
  package var shared: Int {
    let own =
      switch method {
      case .winograd(let convolution): convolution.shared
      case .windows(let convolution): convolution.shared
      }
    return max(own, Cut.most * outputChannels)
  }

  /// y is overwritten. Its rows get their bias and what is added to them, go into `moments` and are
  /// pooled, while they are in the cache.
  package func forward(
    _ y: FloatPointer, source: Source, weights: FloatPointer, bias: FloatPointer? = nil,
    addend: Addend? = nil, images: Int, team: Team, work: Workspace, shared: FloatPointer,
    moments: Moments? = nil, pool: PoolBeforeNorm? = nil
  ) {
    var written: RowsWritten?
    if bias != nil || addend != nil || moments != nil || pool != nil {
      written = { first, count, piece in
        let rows = y + first * outputChannels
        if let bias { ck_add_bias(rows, bias, count, Int32(outputChannels)) }
        addend?.add(to: rows, first: first, count: count, channels: outputChannels)
        moments?.gather(rows, count: count, piece: piece)
        pool?.rows(first: first, count: count)
      }
    }
    switch method {
    case .winograd(let convolution):
      convolution.forward(
        y, source: source, weights: weights, images: images, team: team, work: work, shared: shared,
        written: written)
    case .windows(let convolution):
      convolution.forward(
        y, source: source, weights: weights, images: images, team: team, work: work, shared: shared,
        written: written)
    }
  }

  /// dx is overwritten, or added to where `adds`, and its rows finished while they are in the cache.
  package func backwardData(
    _ dx: FloatPointer, adds: Bool, dy: FloatPointer, weights: FloatPointer, images: Int,
    team: Team, work: Workspace, shared: FloatPointer, finish: GradientFinish? = nil
  ) {
    let written: RowsWritten? = finish.map { finish in
      { first, count, piece in finish.rows(dx, first: first, count: count, piece: piece) }
    }
    switch method {
    case .winograd(let convolution):
      convolution.backwardData(
        dx, adds: adds, dy: dy, weights: weights, images: images, team: team, work: work,
        shared: shared, written: written)
    case .windows(let convolution):
      convolution.backwardData(
        dx, adds: adds, dy: dy, weights: weights, images: images, team: team, work: work,
        shared: shared, written: written)
    }
  }

  /// dbias is overwritten with the sum of dy over images and pixels.
  package func backwardBias(
    _ dbias: FloatPointer, dy: FloatPointer, images: Int, team: Team, shared: FloatPointer
  ) {
    let cut = Cut(images)
    let pixels = window.outHeight * window.outWidth
    team.run(cut.pieces) { piece, _ in
      ck_column_sums(
        shared + piece * outputChannels, dy + cut[piece].lowerBound * pixels * outputChannels,
        cut[piece].count * pixels, Int32(outputChannels))
    }
    sumParts(dbias, shared, cut.pieces, count: outputChannels, team: team)
  }

  /// Whether the gradient of its weights may read that of its output before this is written down.
  package var readsDerivedGradients: Bool {
    if case .windows(let convolution) = method { convolution.readsDerivedGradients } else { false }
  }

  /// dw is overwritten with the sum over the images.
  package func backwardWeights(
    _ dw: FloatPointer, source: Source, dy: OutputGradient, images: Int, team: Team,
    work: Workspace, shared: FloatPointer
  ) {
    switch method {
    case .winograd(let convolution):
      guard case .stored(let dy) = dy else { preconditionFailure("Winograd reads tiles") }
      convolution.backwardWeights(
        dw, source: source, dy: dy, images: images, team: team, work: work, shared: shared)
    case .windows(let convolution):
      convolution.backwardWeights(
        dw, source: source, dy: dy, images: images, team: team, work: work, shared: shared)
    }
  }
}

/// The gradient of a convolution's output: there already, or computed as it is read.
package enum OutputGradient {
  case stored(FloatPointer)
  case derived(NormGradient)
}

/// A value that is added to a result: y = other + factor * y, or y = y + factor * other.
package struct Addend {
  private let other: Source
  private let factor: Float
  private let scalesOther: Bool

  package init(_ other: Source, factor: Float, scalesOther: Bool) {
    self.other = other
    self.factor = factor
    self.scalesOther = scalesOther
  }

  fileprivate func add(to rows: FloatPointer, first: Int, count: Int, channels: Int) {
    let (x, plain) = (other.base + first * channels, Source(rows))
    if scalesOther {
      ck_sum_of_two(rows, rows, plain.view, x, other.view, factor, count, Int32(channels))
    } else {
      ck_sum_of_two(rows, x, other.view, rows, plain.view, factor, count, Int32(channels))
    }
  }
}

/// Called when rows [first, first + count) of a result are written, by the piece of work that wrote
/// them; a piece's rows come in order.
typealias RowsWritten = (_ first: Int, _ count: Int, _ piece: Int) -> Void

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
