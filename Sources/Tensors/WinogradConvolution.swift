import CKernels

/// 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3): tiles of 4x4 outputs, of which each takes 36
/// products instead of 144 (Lavin and Gray 2016). Tiles are transformed in blocks that stay in the
/// cache; for each of 36 positions there is one product [tiles][cin] x [cin][cout].
struct WinogradConvolution: Sendable {
  let window: Window
  let outputs: Int
  private var inputs: Int { window.channels }

  init(_ window: Window, outputChannels: Int) {
    self.window = window
    outputs = outputChannels
  }

  static func applies(to window: Window, outputChannels: Int) -> Bool {
    window.kernelHeight == 3 && window.kernelWidth == 3 && window.strideHeight == 1
      && window.strideWidth == 1 && window.padHeight == window.padWidth && window.padHeight <= 2
      && window.channels >= 8 && outputChannels >= 8
  }

  /// Tiles over the outputs of the convolution, or over its inputs where gradients go there.
  private var forwardTiles: TileGrid {
    TileGrid(
      height: window.outHeight, width: window.outWidth, fromHeight: window.height,
      fromWidth: window.width, border: window.padHeight)
  }
  private var backwardTiles: TileGrid {
    TileGrid(
      height: window.height, width: window.width, fromHeight: window.outHeight,
      fromWidth: window.outWidth, border: 2 - window.padHeight)
  }

  private static let positions = 36

  // MARK: - Geometry

  private static func padded(_ channels: Int) -> Int { (channels + 15) / 16 * 16 }

  /// Numbers from one position to the next: a cache line more than the tiles take, or all positions
  /// of a tile would compete for the same few places of the cache.
  private static func position(tiles: Int, channels: Int) -> Int {
    tiles * padded(channels) + 16
  }

  /// The products of fewer tiles would wait for their weights, those of more would leave the cache.
  private static let tilesPerBlock = 36
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
    let tiles = grid.block(of: WinogradConvolution.tilesPerBlock).mostTiles
    return bandCount(grid, channels: inputs)
      + WinogradConvolution.positions
      * (WinogradConvolution.position(tiles: tiles, channels: inputs)
        + WinogradConvolution.position(tiles: tiles, channels: outputs))
  }

  private var weightWorkspace: Int {
    let block = WinogradConvolution.weightBlock
    let tiles = forwardTiles.block(of: WinogradConvolution.tilesPerBlock).mostTiles
    return bandCount(forwardTiles, channels: block)
      + WinogradConvolution.positions
      * (2 * WinogradConvolution.position(tiles: tiles, channels: block) + block * block)
  }

  private func bandCount(_ grid: TileGrid, channels: Int) -> Int {
    let lines = grid.block(of: WinogradConvolution.tilesPerBlock).mostLines
    return (4 * lines + 2) * grid.bandWidth * WinogradConvolution.padded(channels)
  }

  /// Numbers that all lanes share: transformed weights, or the shares of their gradient.
  var shared: Int {
    let packed =
      WinogradConvolution.positions
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
      y, source, forwardTiles, inputs, outputs, packed: shared, adds: false, images: images,
      team: team,
      work: work, written: written)
  }

  /// dx (+)= dy convolved with the turned and transposed weights.
  func backwardData(
    _ dx: FloatPointer, adds: Bool, dy: FloatPointer, weights: FloatPointer, images: Int,
    team: Team, work: Workspace, shared: FloatPointer, written: RowsWritten?
  ) {
    let turned = shared + WinogradConvolution.positions * packedCount(outputs, inputs)
    turnTaps(turned, weights, taps: 9, rows: inputs, columns: outputs, team: team)
    transform(turned, rows: outputs, columns: inputs, into: shared, team: team)
    convolve(
      dx, Source(dy), backwardTiles, outputs, inputs, packed: shared, adds: adds, images: images,
      team: team,
      work: work, written: written)
  }

  private func transform(
    _ weights: FloatPointer, rows: Int, columns: Int, into packed: FloatPointer, team: Team
  ) {
    let cut = Cut(rows)
    team.run(cut.pieces) { piece, _ in
      ck_winograd_weights(
        packed, packedCount(rows, columns), weights, Int32(rows), Int32(columns),
        Int32(cut[piece].lowerBound), Int32(cut[piece].upperBound))
    }
  }

  private func convolve(
    _ y: FloatPointer, _ source: Source, _ grid: TileGrid, _ inputs: Int, _ outputs: Int,
    packed: FloatPointer, adds: Bool, images: Int, team: Team, work: Workspace,
    written: RowsWritten?
  ) {
    let cut = Cut(images)
    let (deep, wide) = (WinogradConvolution.padded(inputs), WinogradConvolution.padded(outputs))
    let block = grid.block(of: WinogradConvolution.tilesPerBlock)
    let vPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: inputs)
    let mPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: outputs)
    team.run(cut.pieces) { piece, lane in
      let band = work[lane]
      let v = band + bandCount(grid, channels: inputs)
      let m = v + WinogradConvolution.positions * vPosition
      block.withRows(v, stride: deep) { rows in
        block.forEach(of: cut[piece]) { stretches, tiles in
          for stretch in stretches {
            transformInput(stretch, source, inputs, 0..<inputs, into: v, vPosition, band)
          }
          for p in 0..<WinogradConvolution.positions {
            ck_row_product(
              m + p * mPosition, wide,
              ck_rows(
                rows: rows, tap_stride: 0, offset: p * vPosition, taps: 1, depth: Int32(inputs)),
              Int32(tiles), packed + p * packedCount(inputs, outputs), Int32(outputs), 0)
          }
          for stretch in stretches {
            for line in 0..<stretch.lines {
              let top = (stretch.firstLine + line) * 4
              ck_winograd_output(
                y + (stretch.image * grid.height + top) * grid.width * outputs,
                grid.width * outputs, outputs, Int32(grid.height - top), Int32(grid.width),
                Int32(outputs), m + (stretch.tile + line * grid.tilesAcross) * wide, mPosition,
                wide, Int32(grid.tilesAcross), adds ? 1 : 0)
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
    let block = grid.block(of: WinogradConvolution.tilesPerBlock)
    let band = work
    let v = band + bandCount(grid, channels: max(rows.count, columns.count))
    let vPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: rows.count)
    let m = v + WinogradConvolution.positions * vPosition
    let mPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: columns.count)
    let sums = m + WinogradConvolution.positions * mPosition
    let sumPosition = rows.count * wide
    var isFirst = true
    block.withRows(v, stride: deep) { a in
      block.forEach(of: images) { stretches, tiles in
        for stretch in stretches {
          transformInput(stretch, source, inputs, rows, into: v, vPosition, band)
          transformGradient(stretch, dy, columns, into: m, mPosition, band)
        }
        for p in 0..<WinogradConvolution.positions {
          ck_outer_product(
            sums + p * sumPosition, wide, ck_terms(rows: a, offset: p * vPosition),
            Int32(rows.count), m + p * mPosition, wide, Int32(columns.count), Int32(tiles),
            isFirst ? 0 : 1)
        }
        isFirst = false
      }
    }
    ck_winograd_weight_gradient(
      dw + rows.lowerBound * outputs + columns.lowerBound, inputs * outputs, outputs, sums,
      sumPosition, wide, Int32(rows.count), Int32(columns.count))
  }

  // MARK: - Transforms

  private func transformInput(
    _ stretch: TileGrid.Stretch, _ source: Source, _ imageChannels: Int, _ channels: Range<Int>,
    into v: FloatPointer, _ position: Int, _ band: FloatPointer
  ) {
    let grid = stretch.grid
    let deep = WinogradConvolution.padded(channels.count)
    func transform(
      _ line: Int, _ tiles: Range<Int>, _ from: UnsafePointer<Float>, line step: Int, pixel: Int
    ) {
      ck_winograd_input(
        v + (stretch.tile + line * grid.tilesAcross + tiles.lowerBound) * deep, position, deep,
        from,
        step, pixel, Int32(tiles.count), Int32(deep))
    }
    /// Lines and tiles of the stretch, framed by zeros and as they are seen.
    func transformBand(_ lines: Range<Int>, _ tiles: Range<Int>) {
      guard !lines.isEmpty, !tiles.isEmpty else { return }
      source.band(
        band,
        stretch.inputFrame(
          lines, tiles, imageChannels: imageChannels, channels: channels, stride: deep))
      let width = (4 * tiles.count + 2) * deep
      for line in lines {
        transform(
          line, tiles, band + (line - lines.lowerBound) * 4 * width, line: width, pixel: deep)
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
      let top = 4 * (stretch.firstLine + line) - grid.border
      let first =
        (stretch.image * grid.fromHeight + top) * grid.fromWidth + 4 * inner.lowerBound
        - grid.border
      transform(
        line, inner, source.base + first * imageChannels + channels.lowerBound,
        line: grid.fromWidth * imageChannels, pixel: imageChannels)
    }
  }

  /// Gradients are read where they are if whole tiles cover the image.
  private func transformGradient(
    _ stretch: TileGrid.Stretch, _ dy: FloatPointer, _ channels: Range<Int>, into m: FloatPointer,
    _ position: Int, _ band: FloatPointer
  ) {
    let grid = stretch.grid
    let wide = WinogradConvolution.padded(channels.count)
    var (from, line, pixel) = (UnsafePointer(band), 4 * grid.tilesAcross * wide, wide)
    if grid.height % 4 == 0 && grid.width % 4 == 0 {
      let first = (stretch.image * grid.height + 4 * stretch.firstLine) * grid.width
      from = UnsafePointer(dy + first * outputs + channels.lowerBound)
      (line, pixel) = (grid.width * outputs, outputs)
    } else {
      Source(dy).band(
        band, stretch.outputFrame(imageChannels: outputs, channels: channels, stride: wide))
    }
    for tileLine in 0..<stretch.lines {
      ck_winograd_gradient(
        m + (stretch.tile + tileLine * grid.tilesAcross) * wide, position, wide,
        from + tileLine * 4 * line, line, pixel, Int32(grid.tilesAcross), Int32(wide))
    }
  }
}
