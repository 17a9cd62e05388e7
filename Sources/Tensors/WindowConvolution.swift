import CKernels

/// Convolution by any window as products over pointers to the pixels that it covers (Dukhan 2019):
/// no matrix of windows is written down, except where there are too few input channels to sum over.
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

  /// Below this many channels the windows are gathered: a sum over so few is too short to be fast.
  private static let fewChannels = 8
  private func isGathered(_ source: Source) -> Bool {
    inputs < WindowConvolution.fewChannels && taps > 1 && source.isPlain
  }

  /// Output pixels that are worked on together: a multiple of every instruction set's rows.
  private static let pixelsPerBlock = 168

  // MARK: - Memory

  private var linesPerBlock: Int {
    max(1, min(window.outHeight, WindowConvolution.pixelsPerBlock / window.outWidth))
  }
  private var pixelsPerBlock: Int {
    isPixelwise ? WindowConvolution.pixelsPerBlock : linesPerBlock * window.outWidth
  }

  /// Numbers of workspace that a lane needs.
  var workspace: Int {
    let band =
      isPixelwise
      ? pixelsPerBlock * inputs
      : ((linesPerBlock - 1) * window.strideHeight + window.kernelHeight)
        * ((window.outWidth - 1) * window.strideWidth + window.kernelWidth) * inputs
    let gathered = inputs < WindowConvolution.fewChannels ? pixelsPerBlock * taps * inputs : 0
    let scattered = max(WindowConvolution.pixelsPerBlock, window.width) * inputs
    return max(band, gathered, scattered)
  }

  private static func packed(_ columns: Int) -> Int { (columns + 15) / 16 * 16 }

  /// Numbers that all lanes share: packed weights, or the shares of their gradient.
  var shared: Int {
    max(
      taps * inputs * WindowConvolution.packed(outputs),
      taps * outputs * WindowConvolution.packed(inputs) + weightCount, weightPieces * weightCount)
  }

  // MARK: - Forward

  func forward(
    _ y: FloatPointer, source: Source, weights: FloatPointer, images: Int, team: Team,
    work: Workspace, shared: FloatPointer, written: RowsWritten?
  ) {
    pack(
      shared, (0..<taps).map { weights + $0 * inputs * outputs }, depth: inputs, columns: outputs,
      team: team)
    let cut = Cut(images)
    team.run(cut.pieces) { piece, lane in
      withRows(taps * pixelsPerBlock) { rows in
        forEachBlock(of: cut[piece]) { block in
          let (taps, depth) = find(rows, source, block, channels: 0..<inputs, work[lane])
          ck_row_product(
            y + block.firstPixel * outputs, outputs,
            ck_rows(
              rows: rows, tap_stride: block.pixels, offset: 0, taps: Int32(taps),
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
    let phases = phases
    var places: [FloatPointer] = []
    var next = shared
    for phase in phases {
      let matrices = phase.taps.map {
        turned + (taps - 1 - ($0.y * window.kernelWidth + $0.x)) * outputs * inputs
      }
      pack(next, matrices, depth: outputs, columns: inputs, team: team)
      places.append(next)
      next += phase.taps.count * outputs * WindowConvolution.packed(inputs)
    }
    let cut = Cut(images)
    let pixels = window.height * window.width
    team.run(cut.pieces) { piece, lane in
      for image in cut[piece] {
        for (phase, packed) in zip(phases, places) {
          backwardData(
            dx + image * pixels * inputs, adds,
            dy + image * window.outHeight * window.outWidth * outputs, phase, packed: packed,
            work[lane])
        }
        written?(image * pixels, pixels, piece)
      }
    }
  }

  /// Input pixels that are alike in where they lie between the strides, and the taps that reach them.
  private struct Phase {
    var lines: [Int]
    var pixels: [Int]
    var taps: [(y: Int, x: Int)]
  }

  private var phases: [Phase] {
    var phases: [Phase] = []
    for py in 0..<window.strideHeight {
      for px in 0..<window.strideWidth {
        let lines = (0..<window.height).filter {
          ($0 + window.padHeight) % window.strideHeight == py
        }
        let pixels = (0..<window.width).filter { ($0 + window.padWidth) % window.strideWidth == px }
        guard !lines.isEmpty, !pixels.isEmpty else { continue }
        var taps: [(y: Int, x: Int)] = []
        for ky in stride(from: py, to: window.kernelHeight, by: window.strideHeight) {
          for kx in stride(from: px, to: window.kernelWidth, by: window.strideWidth) {
            taps.append((ky, kx))
          }
        }
        phases.append(Phase(lines: lines, pixels: pixels, taps: taps))
      }
    }
    return phases
  }

  private func backwardData(
    _ dx: FloatPointer, _ adds: Bool, _ dy: FloatPointer, _ phase: Phase, packed: FloatPointer,
    _ scattered: FloatPointer
  ) {
    let lines = max(1, WindowConvolution.pixelsPerBlock / phase.pixels.count)
    withRows(phase.taps.count * lines * phase.pixels.count) { rows in
      for first in stride(from: 0, to: phase.lines.count, by: lines) {
        let chosen = phase.lines[first..<min(first + lines, phase.lines.count)]
        let count = chosen.count * phase.pixels.count
        var next = rows
        for tap in phase.taps {
          for y in chosen {
            let oy = (y + window.padHeight - tap.y) / window.strideHeight
            let inside = y + window.padHeight >= tap.y && oy < window.outHeight
            for x in phase.pixels {
              let ox = (x + window.padWidth - tap.x) / window.strideWidth
              let meets = inside && x + window.padWidth >= tap.x && ox < window.outWidth
              next.pointee = UnsafePointer(
                meets ? dy + (oy * window.outWidth + ox) * outputs : Zeros.row)
              next += 1
            }
          }
        }
        let a = ck_rows(
          rows: rows, tap_stride: count, offset: 0, taps: Int32(phase.taps.count),
          depth: Int32(outputs))
        if window.strideHeight == 1 && window.strideWidth == 1 {
          ck_row_product(
            dx + chosen.startIndex * window.width * inputs, inputs, a, Int32(count), packed,
            Int32(inputs), adds ? 1 : 0)
          continue
        }
        ck_row_product(scattered, inputs, a, Int32(count), packed, Int32(inputs), 0)
        var from = scattered
        for y in chosen {
          for x in phase.pixels {
            ck_copy_or_add(dx + (y * window.width + x) * inputs, from, inputs, adds ? 1 : 0)
            from += inputs
          }
        }
      }
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
    _ dw: FloatPointer, source: Source, dy: FloatPointer, images: Int, team: Team, work: Workspace,
    shared: FloatPointer
  ) {
    let pieces = min(weightPieces, images)
    team.run(pieces * slabs) { task, lane in
      let (piece, slab) = (task / slabs, task % slabs)
      let channels = slab * inputs / slabs..<(slab + 1) * inputs / slabs
      let out = pieces == 1 ? dw : shared + piece * weightCount
      withRows((taps + 1) * pixelsPerBlock) { rows in
        let right = rows + taps * pixelsPerBlock
        var isFirst = true
        forEachBlock(of: piece * images / pieces..<(piece + 1) * images / pieces) { block in
          let (count, depth) = find(rows, source, block, channels: channels, work[lane])
          for pixel in 0..<block.pixels {
            right[pixel] = UnsafePointer(dy + (block.firstPixel + pixel) * outputs)
          }
          for tap in 0..<count {
            ck_outer_product(
              out + (tap * inputs + channels.lowerBound) * outputs, outputs,
              ck_terms(rows: rows + tap * block.pixels, offset: 0), Int32(depth),
              ck_terms(rows: right, offset: 0), Int32(outputs), Int32(block.pixels), isFirst ? 0 : 1
            )
          }
          isFirst = false
        }
      }
    }
    if pieces > 1 { sumParts(dw, shared, pieces, count: weightCount, team: team) }
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

  /// Points rows [taps][pixels] at the block's windows. Says how many taps there are and how many
  /// numbers each row of one has.
  private func find(
    _ rows: UnsafeMutablePointer<UnsafePointer<Float>?>, _ source: Source, _ block: Block,
    channels: Range<Int>, _ work: FloatPointer
  ) -> (taps: Int, depth: Int) {
    if isPixelwise {
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
      return (1, channels.count)
    }
    if isGathered(source) {
      let line = block.image * window.outHeight + block.lines.lowerBound
      ck_im2col(work, source.base, window.kernel, line, line + block.lines.count)
      for pixel in 0..<block.pixels { rows[pixel] = UnsafePointer(work) + pixel * taps * inputs }
      return (1, taps * inputs)
    }
    if source.isPlain {
      point(rows, source, block, channels)
    } else {
      pointIntoBand(rows, source, block, channels, work)
    }
    return (taps, channels.count)
  }

  private func point(
    _ rows: UnsafeMutablePointer<UnsafePointer<Float>?>, _ source: Source, _ block: Block,
    _ channels: Range<Int>
  ) {
    let image =
      source.base + block.image * window.height * window.width * inputs + channels.lowerBound
    var next = rows
    for ky in 0..<window.kernelHeight {
      for kx in 0..<window.kernelWidth {
        for line in block.lines {
          let y = line * window.strideHeight - window.padHeight + ky
          let inside = y >= 0 && y < window.height
          for pixel in 0..<window.outWidth {
            let x = pixel * window.strideWidth - window.padWidth + kx
            let meets = inside && x >= 0 && x < window.width
            next.pointee =
              meets ? image + (y * window.width + x) * inputs : UnsafePointer(Zeros.row)
            next += 1
          }
        }
      }
    }
  }

  private func pointIntoBand(
    _ rows: UnsafeMutablePointer<UnsafePointer<Float>?>, _ source: Source, _ block: Block,
    _ channels: Range<Int>, _ band: FloatPointer
  ) {
    let top = block.lines.lowerBound * window.strideHeight - window.padHeight
    let lines = (block.lines.count - 1) * window.strideHeight + window.kernelHeight
    let width = (window.outWidth - 1) * window.strideWidth + window.kernelWidth
    source.band(
      band,
      .init(
        image: block.image, height: window.height, width: window.width, imageChannels: inputs,
        lines: top..<top + lines, pixels: -window.padWidth..<width - window.padWidth,
        channels: channels, stride: channels.count))
    var next = rows
    for ky in 0..<window.kernelHeight {
      for kx in 0..<window.kernelWidth {
        for line in 0..<block.lines.count {
          let from = band + ((line * window.strideHeight + ky) * width + kx) * channels.count
          for pixel in 0..<window.outWidth {
            next.pointee = UnsafePointer(from + pixel * window.strideWidth * channels.count)
            next += 1
          }
        }
      }
    }
  }
}

private func withRows(
  _ count: Int, _ body: (UnsafeMutablePointer<UnsafePointer<Float>?>) -> Void
) {
  withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: count) {
    body($0.baseAddress!)
  }
}

/// Packs matrices [depth][columns], one a tap, for `ck_row_product`.
private func pack(
  _ packed: FloatPointer, _ taps: [FloatPointer], depth: Int, columns: Int, team: Team
) {
  let cut = Cut((columns + 31) / 32)
  let taps = taps.map { UnsafePointer<Float>?($0) }
  team.run(cut.pieces) { piece, _ in
    ck_pack(
      packed, taps, Int32(taps.count), Int32(depth), Int32(columns), Int32(cut[piece].lowerBound),
      Int32(cut[piece].upperBound))
  }
}

/// out[t][c][r] = weights[taps - 1 - t][r][c].
func turnTaps(
  _ out: FloatPointer, _ weights: FloatPointer, taps: Int, rows: Int, columns: Int, team: Team
) {
  let cut = Cut(columns)
  team.run(cut.pieces) { piece, _ in
    ck_transpose_taps(
      out, weights, Int32(taps), Int32(rows), Int32(columns), Int32(cut[piece].lowerBound),
      Int32(cut[piece].upperBound))
  }
}

/// What lies outside of an image.
enum Zeros {
  static let most = 1 << 14
  private nonisolated(unsafe) static let storage = Floats(count: most)
  static var row: FloatPointer { storage.base }
}
