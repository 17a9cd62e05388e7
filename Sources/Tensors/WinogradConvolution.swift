import CKernels

/// 3x3 convolution of stride 1 or 2 by Winograd's minimal filtering. Tiles of outputs are transformed in
/// blocks that stay in the cache; for each position there is one product [tiles][cin] x [cin][cout].
struct WinogradConvolution: Sendable {
  let window: Window
  let outputs: Int
  private let scheme: WinogradScheme
  private var inputs: Int { window.channels }

  /// Nil where the window is not one of these, or has too few channels.
  init?(_ window: Window, outputChannels: Int) {
    let strides = (window.strideHeight, window.strideWidth)
    guard window.kernelHeight == 3, window.kernelWidth == 3, window.padHeight == window.padWidth
    else { return nil }
    let least: Int
    switch strides {
    case (1, 1) where window.padHeight <= 2: (scheme, least) = (.tiles, 8)
    case (2, 2) where window.padHeight <= 1: (scheme, least) = (.phases, 32)
    default: return nil
    }
    guard window.channels >= least, outputChannels >= least else { return nil }
    self.window = window
    outputs = outputChannels
  }

  private var forwardTiles: TileGrid { scheme.forwardTiles(window) }
  private var backwardTiles: TileGrid { scheme.backwardTiles(window) }

  // MARK: - Geometry

  private static func padded(_ channels: Int) -> Int { (channels + 15) / 16 * 16 }

  /// Numbers from one position to the next: a cache line more than the tiles take, or all positions
  /// of a tile would compete for the same few places of the cache.
  private static func position(tiles: Int, channels: Int) -> Int {
    tiles * padded(channels) + 16
  }

  /// Channels of a block of weight gradients, of which all positions stay in the cache.
  private static let weightBlock = 64

  // MARK: - Memory

  /// Numbers of workspace that a lane needs.
  var workspace: Int {
    max(
      dataWorkspace(forwardTiles, inputs, outputs), dataWorkspace(backwardTiles, outputs, inputs),
      weightWorkspace)
  }

  private func dataWorkspace(_ grid: TileGrid, _ inputs: Int, _ outputs: Int) -> Int {
    let tiles = grid.block(of: scheme.tilesPerBlock).mostTiles
    return bandCount(grid, channels: inputs)
      + scheme.positions
      * (WinogradConvolution.position(tiles: tiles, channels: inputs)
        + WinogradConvolution.position(tiles: tiles, channels: outputs))
  }

  private var weightWorkspace: Int {
    let block = WinogradConvolution.weightBlock
    let tiles = forwardTiles.block(of: scheme.tilesPerBlock).mostTiles
    return bandCount(forwardTiles, channels: block)
      + scheme.positions * 2 * WinogradConvolution.position(tiles: tiles, channels: block)
      + WinogradScheme.matrices * block * block
  }

  private func bandCount(_ grid: TileGrid, channels: Int) -> Int {
    let lines = grid.block(of: scheme.tilesPerBlock).mostLines
    return grid.span(lines) * grid.bandWidth * WinogradConvolution.padded(channels)
  }

  /// Numbers that all lanes share: transformed weights, or the shares of their gradient.
  var shared: Int {
    let packed =
      WinogradScheme.matrices
      * max(packedCount(inputs, outputs), packedCount(outputs, inputs))
    return max(packed + 9 * inputs * outputs, weightPieces * 9 * inputs * outputs)
  }

  private func packedCount(_ rows: Int, _ columns: Int) -> Int {
    rows * WinogradConvolution.padded(columns) + 16
  }

  // MARK: - Data

  func forward(
    _ y: FloatPointer, source: Source, weights: FloatPointer, images: Int, team: Team,
    work: Workspace, shared: FloatPointer, written: RowsWritten?
  ) {
    transform(weights, rows: inputs, columns: outputs, into: shared, team: team)
    convolve(
      .forward, y, source, forwardTiles, inputs, outputs, packed: shared, adds: false,
      images: images,
      team: team,
      work: work, written: written)
  }

  /// dx (+)= dy convolved with the turned and transposed weights.
  func backwardData(
    _ dx: FloatPointer, adds: Bool, dy: FloatPointer, weights: FloatPointer, images: Int,
    team: Team, work: Workspace, shared: FloatPointer, written: RowsWritten?
  ) {
    let turned = shared + WinogradScheme.matrices * packedCount(outputs, inputs)
    turnTaps(turned, weights, taps: 9, rows: inputs, columns: outputs, team: team)
    transform(turned, rows: outputs, columns: inputs, into: shared, team: team)
    convolve(
      .backward(pad: window.padHeight), dx, Source(dy), backwardTiles, outputs, inputs,
      packed: shared, adds: adds, images: images,
      team: team,
      work: work, written: written)
  }

  private func transform(
    _ weights: FloatPointer, rows: Int, columns: Int, into packed: FloatPointer, team: Team
  ) {
    let cut = Cut(rows)
    team.run(cut.pieces) { piece, _ in
      scheme.weights(
        packed, packedCount(rows, columns), weights, rows: rows, columns: columns, cut[piece])
    }
  }

  private func convolve(
    _ direction: WinogradScheme.Direction, _ y: FloatPointer, _ source: Source, _ grid: TileGrid,
    _ inputs: Int, _ outputs: Int, packed: FloatPointer, adds: Bool, images: Int, team: Team,
    work: Workspace,
    written: RowsWritten?
  ) {
    let cut = Cut(images)
    let (deep, wide) = (WinogradConvolution.padded(inputs), WinogradConvolution.padded(outputs))
    let block = grid.block(of: scheme.tilesPerBlock)
    let vPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: inputs)
    let mPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: outputs)
    team.run(cut.pieces) { piece, lane in
      let band = work[lane]
      let v = band + bandCount(grid, channels: inputs)
      let m = v + scheme.positions * vPosition
      block.withRows(v, stride: deep) { rows in
        block.forEach(of: cut[piece]) { stretches, order in
          for stretch in stretches {
            transformInput(
              direction, stretch, source, inputs, 0..<inputs, into: v, vPosition, band)
          }
          for p in 0..<scheme.positions {
            let tiles = scheme.tiles(at: p, of: grid, order)
            guard !tiles.isEmpty else { continue }
            ck_row_product(
              m + p * mPosition + tiles.lowerBound * wide, wide,
              ck_rows(
                rows: rows + tiles.lowerBound, tap_stride: 0, offset: p * vPosition, taps: 1,
                depth: Int32(inputs)),
              Int32(tiles.count), packed + scheme.matrix(of: p) * packedCount(inputs, outputs),
              Int32(outputs), 0)
          }
          for stretch in stretches {
            for line in 0..<stretch.lines {
              let top = (stretch.firstLine + line) * grid.side
              let start = y + (stretch.image * grid.height + top) * grid.width * outputs
              stretch.forEachRun(line: line, tiles: 0..<grid.tilesAcross) { run in
                let left = run.first * grid.side
                scheme.output(
                  direction, start + left * outputs, line: grid.width * outputs, pixel: outputs,
                  lines: grid.height - top, pixels: grid.width - left, m + run.place * wide,
                  mPosition, wide, run, adds: adds)
              }
            }
            let lines = stretch.imageLines
            written?(
              (stretch.image * grid.height + lines.lowerBound) * grid.width,
              lines.count * grid.width, piece)
          }
        }
      }
    }
  }

  // MARK: - Weights

  private var blocksIn: Int {
    (inputs + WinogradConvolution.weightBlock - 1) / WinogradConvolution.weightBlock
  }
  private var blocksOut: Int {
    (outputs + WinogradConvolution.weightBlock - 1) / WinogradConvolution.weightBlock
  }
  /// The images are cut only where there are too few blocks of channels to share.
  private var weightPieces: Int { max(1, Cut.most / (blocksIn * blocksOut)) }

  /// dw is overwritten with the sum over the images.
  func backwardWeights(
    _ dw: FloatPointer, source: Source, dy: FloatPointer, images: Int, team: Team, work: Workspace,
    shared: FloatPointer
  ) {
    let pieces = min(weightPieces, images)
    let count = 9 * inputs * outputs
    team.run(pieces * blocksIn * blocksOut) { task, lane in
      let (piece, block) = (task / (blocksIn * blocksOut), task % (blocksIn * blocksOut))
      weightBlock(
        pieces == 1 ? dw : shared + piece * count, source, dy,
        images: piece * images / pieces..<(piece + 1) * images / pieces,
        rows: channels(block / blocksOut, of: inputs),
        columns: channels(block % blocksOut, of: outputs),
        work[lane])
    }
    if pieces > 1 { sumParts(dw, shared, pieces, count: count, team: team) }
  }

  private func channels(_ block: Int, of count: Int) -> Range<Int> {
    let first = block * WinogradConvolution.weightBlock
    return first..<min(first + WinogradConvolution.weightBlock, count)
  }

  /// The gradient of the weights between a range of input and of output channels.
  private func weightBlock(
    _ dw: FloatPointer, _ source: Source, _ dy: FloatPointer, images: Range<Int>, rows: Range<Int>,
    columns: Range<Int>, _ work: FloatPointer
  ) {
    let (deep, wide) = (
      WinogradConvolution.padded(rows.count), WinogradConvolution.padded(columns.count)
    )
    let grid = forwardTiles
    let block = grid.block(of: scheme.tilesPerBlock)
    let band = work
    let v = band + bandCount(grid, channels: max(rows.count, columns.count))
    let vPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: rows.count)
    let m = v + scheme.positions * vPosition
    let mPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: columns.count)
    let sums = m + scheme.positions * mPosition
    let sumPosition = rows.count * wide
    var isFirst = true
    block.withRows(v, stride: deep) { a in
      block.forEach(of: images) { stretches, order in
        for stretch in stretches {
          transformInput(.forward, stretch, source, inputs, rows, into: v, vPosition, band)
          transformGradient(stretch, dy, columns, into: m, mPosition, band)
        }
        for p in 0..<scheme.positions {
          let tiles = scheme.tiles(at: p, of: grid, order)
          ck_outer_product(
            sums + scheme.matrix(of: p) * sumPosition, wide,
            ck_terms(rows: a + tiles.lowerBound, offset: p * vPosition), Int32(rows.count),
            m + p * mPosition + tiles.lowerBound * wide, wide, Int32(columns.count),
            Int32(tiles.count),
            isFirst && scheme.isFirst(p) ? 0 : 1)
        }
        isFirst = false
      }
    }
    scheme.weightGradient(
      dw + rows.lowerBound * outputs + columns.lowerBound, tap: inputs * outputs, row: outputs,
      sums, sumPosition, wide, rows: rows.count, columns: columns.count)
  }

  // MARK: - Transforms

  private func transformInput(
    _ direction: WinogradScheme.Direction, _ stretch: TileGrid.Stretch, _ source: Source,
    _ imageChannels: Int, _ channels: Range<Int>,
    into v: FloatPointer, _ position: Int, _ band: FloatPointer
  ) {
    let grid = stretch.grid
    let deep = WinogradConvolution.padded(channels.count)
    func transform(
      _ line: Int, _ tiles: Range<Int>, _ from: UnsafePointer<Float>, line step: Int, pixel: Int
    ) {
      stretch.forEachRun(line: line, tiles: tiles) { run in
        scheme.input(
          direction, v + run.place * deep, position, deep,
          from + (run.first - tiles.lowerBound) * grid.step * pixel, line: step, pixel: pixel, run,
          channels: deep)
      }
    }
    /// Lines and tiles of the stretch, framed by zeros and as they are seen.
    func transformBand(_ lines: Range<Int>, _ tiles: Range<Int>) {
      guard !lines.isEmpty, !tiles.isEmpty else { return }
      source.band(
        band,
        stretch.inputFrame(
          lines, tiles, imageChannels: imageChannels, channels: channels, stride: deep))
      let width = grid.span(tiles.count) * deep
      for line in lines {
        transform(
          line, tiles, band + (line - lines.lowerBound) * grid.step * width, line: width,
          pixel: deep)
      }
    }
    let all = 0..<grid.tilesAcross
    guard source.isPlain else {
      transformBand(0..<stretch.lines, all)
      return
    }
    // Windows inside of the image are read where they are.
    let inner = stretch.innerTiles
    let lines = stretch.innerLines
    transformBand(0..<lines.lowerBound, all)
    transformBand(lines.upperBound..<stretch.lines, all)
    transformBand(lines, 0..<inner.lowerBound)
    transformBand(lines, inner.upperBound..<grid.tilesAcross)
    guard !inner.isEmpty else { return }
    for line in lines {
      let (top, left) = stretch.windowStart(line: line, tile: inner.lowerBound)
      let first = (stretch.image * grid.fromHeight + top) * grid.fromWidth + left
      transform(
        line, inner, source.base + first * imageChannels + channels.lowerBound,
        line: grid.fromWidth * imageChannels, pixel: imageChannels)
    }
  }

  /// Gradients are read where they are, unless tiles that are computed whole reach over the edge.
  private func transformGradient(
    _ stretch: TileGrid.Stretch, _ dy: FloatPointer, _ channels: Range<Int>, into m: FloatPointer,
    _ position: Int, _ band: FloatPointer
  ) {
    let grid = stretch.grid
    let wide = WinogradConvolution.padded(channels.count)
    let first = (stretch.image * grid.height + grid.side * stretch.firstLine) * grid.width
    var (from, line, pixel) = (
      UnsafePointer(dy + first * outputs + channels.lowerBound), grid.width * outputs, outputs
    )
    if scheme == .phases && (grid.height % 4 != 0 || grid.width % 4 != 0) {
      (from, line, pixel) = (UnsafePointer(band), 4 * grid.tilesAcross * wide, wide)
      Source(dy).band(
        band, stretch.outputFrame(imageChannels: outputs, channels: channels, stride: wide))
    }
    for tileLine in 0..<stretch.lines {
      let top = (stretch.firstLine + tileLine) * grid.side
      stretch.forEachRun(line: tileLine, tiles: 0..<grid.tilesAcross) { run in
        let left = run.first * grid.side
        scheme.gradient(
          m + run.place * wide, position, wide, from + tileLine * grid.side * line + left * pixel,
          line: line, pixel: pixel, lines: grid.height - top, pixels: grid.width - left, run,
          channels: wide)
      }
    }
  }
}
