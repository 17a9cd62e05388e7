import CKernels

/// Convolution by any window as products over pointers to what it covers (Dukhan 2019): no matrix of
/// windows is written down. Stretches of an image are framed by zeros on their way into the cache, so
/// that a line of a window is one run of numbers: kernelWidth * channels of them.
struct WindowConvolution: Sendable {
  let window: Window
  let outputs: Int

  private var inputs: Int { window.channels }
  private var taps: Int { window.kernelHeight * window.kernelWidth }
  private var weightCount: Int { taps * inputs * outputs }

  /// Stride 1, one pixel, no padding: every pixel by itself, wherever lines and images end.
  private var isPixelwise: Bool {
    taps == 1 && window.strideHeight == 1 && window.strideWidth == 1 && window.padHeight == 0
      && window.padWidth == 0
  }

  /// Output pixels that are worked on together: a multiple of every instruction set's rows.
  private static let pixelsPerBlock = 168

  // MARK: - Memory

  /// Blocks of an image are of about one size.
  private var linesPerBlock: Int {
    let most = max(1, WindowConvolution.pixelsPerBlock / window.outWidth)
    let blocks = (window.outHeight + most - 1) / most
    return (window.outHeight + blocks - 1) / blocks
  }
  private var pixelsPerBlock: Int {
    isPixelwise ? WindowConvolution.pixelsPerBlock : linesPerBlock * window.outWidth
  }

  /// Numbers of workspace that a lane needs.
  var workspace: Int {
    let backward = phases.map { max(0, $0.bandLines * $0.bandWidth) * outputs }
    return max(bandCount + derivedCount, backward.max() ?? 0)
  }

  private var bandCount: Int {
    isPixelwise ? pixelsPerBlock * inputs : bandLines(linesPerBlock) * bandWidth * inputs
  }

  /// Of a block's gradient, where it is computed on the spot: for first layers, of few channels.
  private var derivedCount: Int { readsDerivedGradients ? pixelsPerBlock * outputs : 0 }
  var readsDerivedGradients: Bool { !isPixelwise && slabs == 1 }

  private static func packed(_ columns: Int) -> Int { (columns + 15) / 16 * 16 }

  /// Numbers that all lanes share: packed weights, or the shares of their gradient.
  var shared: Int {
    max(
      taps * inputs * WindowConvolution.packed(outputs),
      taps * outputs * WindowConvolution.packed(inputs) + weightCount, weightPieces * weightCount)
  }

  // MARK: - Bands

  // Windows of one pixel leave out what lies between the strides.
  private var lineStep: Int { window.kernelHeight == 1 ? window.strideHeight : 1 }
  private var pixelStep: Int { window.kernelWidth == 1 ? window.strideWidth : 1 }

  private func bandLines(_ lines: Int) -> Int {
    ((lines - 1) * window.strideHeight + window.kernelHeight + lineStep - 1) / lineStep
  }
  private var bandWidth: Int {
    ((window.outWidth - 1) * window.strideWidth + window.kernelWidth + pixelStep - 1) / pixelStep
  }

  // MARK: - Forward

  func forward(
    _ y: FloatPointer, source: Source, weights: FloatPointer, images: Int, team: Team,
    work: Workspace, shared: FloatPointer, written: RowsWritten?
  ) {
    let depth = window.kernelWidth * inputs
    pack(
      shared, (0..<window.kernelHeight).map { weights + $0 * depth * outputs }, depth: depth,
      columns: outputs, team: team)
    let cut = Cut(images)
    team.run(cut.pieces) { piece, lane in
      withRows(window.kernelHeight * pixelsPerBlock) { rows in
        pointIntoBand(rows, work[lane], channels: inputs)
        forEachBlock(of: cut[piece]) { block in
          find(rows, source, block, channels: 0..<inputs, work[lane])
          ck_row_product(
            y + block.firstPixel * outputs, outputs,
            ck_rows(
              rows: rows, tap_stride: pixelsPerBlock, offset: 0, taps: Int32(window.kernelHeight),
              depth: Int32(depth)),
            Int32(block.pixels), shared, Int32(outputs), 0)
          written?(block.firstPixel, block.pixels, piece)
        }
      }
    }
  }

  // MARK: - Backward

  /// dx (+)= dy through the transposed weights: for each phase of the stride the taps that meet it.
  func backwardData(
    _ dx: FloatPointer, adds: Bool, dy: FloatPointer, weights: FloatPointer, images: Int,
    team: Team, work: Workspace, shared: FloatPointer, written: RowsWritten?
  ) {
    let turned = shared + taps * outputs * WindowConvolution.packed(inputs)
    turnTaps(turned, weights, taps: taps, rows: inputs, columns: outputs, team: team)
    var packs: [FloatPointer] = []
    var next = shared
    let phases = phases
    for phase in phases {
      let matrices = phase.taps.map {
        turned + (taps - 1 - ($0.y * window.kernelWidth + $0.x)) * outputs * inputs
      }
      pack(next, matrices, depth: outputs, columns: inputs, team: team)
      packs.append(next)
      next += phase.taps.count * outputs * WindowConvolution.packed(inputs)
    }
    let cut = Cut(images)
    let pixels = window.height * window.width
    team.run(cut.pieces) { piece, lane in
      for (phase, packed) in zip(phases, packs) {
        withRows(phase.tapLines * phase.pixelsPerBlock) { rows in
          phase.pointIntoBand(rows, work[lane], outputs: outputs)
          withUnsafeTemporaryAllocation(of: FloatPointer?.self, capacity: phase.pixelsPerBlock) {
            for image in cut[piece] {
              backwardData(
                dx + image * pixels * inputs, adds, Source(dy), image, phase, packed: packed, rows,
                $0, work[lane])
            }
          }
        }
      }
      // Each phase goes through all images of the piece: its rows are found once.
      for image in cut[piece] { written?(image * pixels, pixels, piece) }
    }
  }

  /// Input pixels that are alike in where they lie between the strides: every strideHeight-th line
  /// from `firstLine` on and every strideWidth-th pixel; and the taps that reach them.
  private struct Phase {
    var firstLine: Int
    var firstPixel: Int
    var lines: Int
    var pixels: Int
    /// Line by line, in each from right to left: as the outputs that they come from lie.
    var taps: [(y: Int, x: Int)]
    var tapLines: Int
    var tapPixels: Int
    /// The output line that the first tap of the first line comes from, and likewise the pixel.
    var outLine: Int
    var outPixel: Int

    var linesPerBlock: Int { min(lines, max(1, WindowConvolution.pixelsPerBlock / pixels)) }
    var pixelsPerBlock: Int { linesPerBlock * pixels }
    var bandWidth: Int { pixels + tapPixels - 1 }
    var bandLines: Int { linesPerBlock + tapLines - 1 }

    /// Points rows [tapLines][pixelsPerBlock] at runs of tapPixels * outputs numbers in a block's band.
    func pointIntoBand(
      _ rows: UnsafeMutablePointer<UnsafePointer<Float>?>, _ band: FloatPointer, outputs: Int
    ) {
      var next = rows
      for tap in 0..<tapLines {
        for line in 0..<linesPerBlock {
          let from = band + (line + tapLines - 1 - tap) * bandWidth * outputs
          for pixel in 0..<pixels {
            next.pointee = UnsafePointer(from + pixel * outputs)
            next += 1
          }
        }
      }
    }
  }

  private var phases: [Phase] {
    var phases: [Phase] = []
    for py in 0..<window.strideHeight {
      for px in 0..<window.strideWidth {
        let firstLine = WindowConvolution.first(py, window.padHeight, window.strideHeight)
        let firstPixel = WindowConvolution.first(px, window.padWidth, window.strideWidth)
        guard firstLine < window.height, firstPixel < window.width else { continue }
        let ys = Array(stride(from: py, to: window.kernelHeight, by: window.strideHeight))
        let xs = Array(stride(from: px, to: window.kernelWidth, by: window.strideWidth))
        phases.append(
          Phase(
            firstLine: firstLine, firstPixel: firstPixel,
            lines: (window.height - firstLine + window.strideHeight - 1) / window.strideHeight,
            pixels: (window.width - firstPixel + window.strideWidth - 1) / window.strideWidth,
            taps: ys.flatMap { y in xs.reversed().map { (y, $0) } },
            tapLines: xs.isEmpty ? 0 : ys.count, tapPixels: ys.isEmpty ? 0 : xs.count,
            outLine: (firstLine + window.padHeight - py) / window.strideHeight,
            outPixel: (firstPixel + window.padWidth - px) / window.strideWidth))
      }
    }
    return phases
  }

  /// The first index i >= 0 with (i + pad) % stride == phase.
  private static func first(_ phase: Int, _ pad: Int, _ stride: Int) -> Int {
    ((phase - pad) % stride + stride) % stride
  }

  private func backwardData(
    _ dx: FloatPointer, _ adds: Bool, _ dy: Source, _ image: Int, _ phase: Phase,
    packed: FloatPointer, _ rows: UnsafeMutablePointer<UnsafePointer<Float>?>,
    _ places: UnsafeMutableBufferPointer<FloatPointer?>, _ band: FloatPointer
  ) {
    for first in stride(from: 0, to: phase.lines, by: phase.linesPerBlock) {
      let lines = min(phase.linesPerBlock, phase.lines - first)
      if phase.tapLines > 0 {
        let line = phase.outLine + first - phase.tapLines + 1
        let pixel = phase.outPixel - phase.tapPixels + 1
        dy.band(
          band,
          .init(
            image: image, height: window.outHeight, width: window.outWidth, imageChannels: outputs,
            lines: line..<line + lines + phase.tapLines - 1,
            pixels: pixel..<pixel + phase.bandWidth,
            channels: 0..<outputs, stride: outputs))
      }
      let a = ck_rows(
        rows: rows, tap_stride: phase.pixelsPerBlock, offset: 0, taps: Int32(phase.tapLines),
        depth: Int32(phase.tapPixels * outputs))
      let top = phase.firstLine + first * window.strideHeight
      if window.strideHeight == 1 && window.strideWidth == 1 {
        ck_row_product(
          dx + top * window.width * inputs, inputs, a, Int32(lines * phase.pixels), packed,
          Int32(inputs), adds ? 1 : 0)
        continue
      }
      var place = 0
      for line in 0..<lines {
        let from =
          dx + ((top + line * window.strideHeight) * window.width + phase.firstPixel) * inputs
        for pixel in 0..<phase.pixels {
          places[place] = from + pixel * window.strideWidth * inputs
          place += 1
        }
      }
      ck_row_product_to(
        places.baseAddress, a, Int32(place), packed, Int32(inputs), adds ? 1 : 0)
    }
  }

  // MARK: - Weights

  /// Large weights are cut by input channels, small ones by images.
  private var slabs: Int {
    weightCount >= 1 << 17 ? min(Cut.most, max(1, inputs / 32)) : 1
  }
  private var weightPieces: Int { max(1, Cut.most / slabs) }

  /// dw is overwritten with the sum over the images.
  func backwardWeights(
    _ dw: FloatPointer, source: Source, dy: OutputGradient, images: Int, team: Team,
    work: Workspace, shared: FloatPointer
  ) {
    let pieces = min(weightPieces, images)
    team.run(pieces * slabs) { task, lane in
      let (piece, slab) = (task / slabs, task % slabs)
      let channels = slab * inputs / slabs..<(slab + 1) * inputs / slabs
      let out = pieces == 1 ? dw : shared + piece * weightCount
      withRows(window.kernelHeight * pixelsPerBlock) { rows in
        pointIntoBand(rows, work[lane], channels: channels.count)
        var isFirst = true
        // A line of a window is one run of weights where all its channels are there.
        let runs = slabs == 1 ? 1 : window.kernelWidth
        let depth = slabs == 1 ? window.kernelWidth * inputs : channels.count
        forEachBlock(of: piece * images / pieces..<(piece + 1) * images / pieces) { block in
          find(rows, source, block, channels: channels, work[lane])
          let gradient = gradient(dy, block, work[lane] + bandCount)
          for line in 0..<window.kernelHeight {
            for run in 0..<runs {
              let tap = line * window.kernelWidth + run
              ck_outer_product(
                out + (tap * inputs + channels.lowerBound) * outputs, outputs,
                ck_terms(rows: rows + line * pixelsPerBlock, offset: run * channels.count),
                Int32(depth), gradient, outputs, Int32(outputs),
                Int32(block.pixels), isFirst ? 0 : 1)
            }
          }
          isFirst = false
        }
      }
    }
    if pieces > 1 { sumParts(dw, shared, pieces, count: weightCount, team: team) }
  }

  private func gradient(_ dy: OutputGradient, _ block: Block, _ work: FloatPointer)
    -> FloatPointer
  {
    switch dy {
    case .stored(let dy): return dy + block.firstPixel * outputs
    case .derived(let norm):
      norm.lines(work, block.image, block.lines)
      return work
    }
  }

  // MARK: - Blocks of output pixels

  private struct Block {
    /// Number of the first output pixel, through all images.
    var firstPixel: Int
    var pixels: Int
    var image: Int
    var lines: Range<Int>
  }

  private func forEachBlock(of images: Range<Int>, _ body: (Block) -> Void) {
    let size = window.outHeight * window.outWidth
    if isPixelwise {
      for first in stride(
        from: images.lowerBound * size, to: images.upperBound * size, by: pixelsPerBlock)
      {
        let count = min(pixelsPerBlock, images.upperBound * size - first)
        body(Block(firstPixel: first, pixels: count, image: 0, lines: 0..<1))
      }
      return
    }
    for image in images {
      for line in stride(from: 0, to: window.outHeight, by: linesPerBlock) {
        let lines = line..<min(line + linesPerBlock, window.outHeight)
        body(
          Block(
            firstPixel: image * size + line * window.outWidth,
            pixels: lines.count * window.outWidth, image: image, lines: lines))
      }
    }
  }

  /// Points rows [kernelHeight][pixelsPerBlock] at the lines of a block's windows in its band, each of
  /// kernelWidth * channels numbers.
  private func pointIntoBand(
    _ rows: UnsafeMutablePointer<UnsafePointer<Float>?>, _ band: FloatPointer, channels: Int
  ) {
    guard !isPixelwise else { return }
    var next = rows
    let step = window.strideWidth / pixelStep * channels
    for ky in 0..<window.kernelHeight {
      for line in 0..<linesPerBlock {
        let from = band + (line * (window.strideHeight / lineStep) + ky) * bandWidth * channels
        for pixel in 0..<window.outWidth {
          next.pointee = UnsafePointer(from + pixel * step)
          next += 1
        }
      }
    }
  }

  /// Fills the band of a block; where there is none, points rows at the block's pixels.
  private func find(
    _ rows: UnsafeMutablePointer<UnsafePointer<Float>?>, _ source: Source, _ block: Block,
    channels: Range<Int>, _ work: FloatPointer
  ) {
    if isPixelwise {
      findPixels(rows, source, block, channels, work)
      return
    }
    let top = block.lines.lowerBound * window.strideHeight - window.padHeight
    let lines = (block.lines.count - 1) * window.strideHeight + window.kernelHeight
    let width = (window.outWidth - 1) * window.strideWidth + window.kernelWidth
    source.band(
      work,
      .init(
        image: block.image, height: window.height, width: window.width, imageChannels: inputs,
        lines: top..<top + lines, lineStep: lineStep,
        pixels: -window.padWidth..<width - window.padWidth, pixelStep: pixelStep,
        channels: channels, stride: channels.count))
  }

  private func findPixels(
    _ rows: UnsafeMutablePointer<UnsafePointer<Float>?>, _ source: Source, _ block: Block,
    _ channels: Range<Int>, _ work: FloatPointer
  ) {
    var (base, stride) = (source.base + block.firstPixel * inputs + channels.lowerBound, inputs)
    if !source.isPlain {
      source.band(
        work,
        .init(
          image: 0, height: 1, width: block.firstPixel + block.pixels, imageChannels: inputs,
          lines: 0..<1, pixels: block.firstPixel..<block.firstPixel + block.pixels,
          channels: channels, stride: channels.count))
      (base, stride) = (UnsafePointer(work), channels.count)
    }
    for pixel in 0..<block.pixels { rows[pixel] = base + pixel * stride }
  }
}

private func withRows(
  _ count: Int, _ body: (UnsafeMutablePointer<UnsafePointer<Float>?>) -> Void
) {
  withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: count) {
    body($0.baseAddress!)
  }
}
