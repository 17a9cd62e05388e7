import CKernels

/// 3x3 convolution of stride 1 and padding 1 by Winograd's F(4x4, 3x3): tiles of 4x4 outputs, of which
/// each takes 36 products instead of 144 (Lavin and Gray 2016). Tiles are transformed in blocks that
/// stay in the cache; for each of 36 positions there is one product [tiles][cin] x [cin][cout].
struct WinogradConvolution: Sendable {
  let height: Int
  let width: Int
  let inputs: Int
  let outputs: Int

  init(_ window: Window, outputChannels: Int) {
    (height, width) = (window.height, window.width)
    (inputs, outputs) = (window.channels, outputChannels)
  }

  static func applies(to window: Window, outputChannels: Int) -> Bool {
    window.kernelHeight == 3 && window.kernelWidth == 3 && window.strideHeight == 1
      && window.strideWidth == 1 && window.padHeight == 1 && window.padWidth == 1
      && window.channels >= 8 && outputChannels >= 8
  }

  private static let positions = 36

  // MARK: - Geometry

  private var tileLines: Int { (height + 3) / 4 }
  private var tilesAcross: Int { (width + 3) / 4 }

  /// Lines of tiles that are transformed together: about 32 tiles, and whole lines. The products of
  /// fewer tiles would wait for their weights, those of more would leave the cache.
  private func linesPerBlock(_ tiles: Int) -> Int { max(1, tiles / tilesAcross) }

  private static func padded(_ channels: Int) -> Int { (channels + 15) / 16 * 16 }

  /// Numbers from one position to the next: a cache line more than the tiles take, or all positions
  /// of a tile would compete for the same few places of the cache.
  private static func position(tiles: Int, channels: Int) -> Int {
    tiles * padded(channels) + 16
  }

  private static let tilesPerBlock = 32
  /// Channels of a block of weight gradients, of which all positions stay in the cache.
  private static let weightBlock = 64

  private func bandCount(lines: Int, channels: Int) -> Int {
    (4 * lines + 2) * (4 * tilesAcross + 2) * WinogradConvolution.padded(channels)
  }

  // MARK: - Memory

  /// Numbers of workspace that a lane needs.
  var workspace: Int {
    max(dataWorkspace(inputs, outputs), dataWorkspace(outputs, inputs), weightWorkspace)
  }

  private func dataWorkspace(_ inputs: Int, _ outputs: Int) -> Int {
    let lines = linesPerBlock(WinogradConvolution.tilesPerBlock)
    let tiles = lines * tilesAcross
    return bandCount(lines: min(lines, tileLines), channels: inputs)
      + WinogradConvolution.positions
      * (WinogradConvolution.position(tiles: tiles, channels: inputs)
        + WinogradConvolution.position(tiles: tiles, channels: outputs))
  }

  private var weightWorkspace: Int {
    let lines = linesPerBlock(WinogradConvolution.tilesPerBlock)
    let (tiles, block) = (lines * tilesAcross, WinogradConvolution.weightBlock)
    return bandCount(lines: min(lines, tileLines), channels: block)
      + WinogradConvolution.positions
      * (2 * WinogradConvolution.position(tiles: tiles, channels: block) + block * block)
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
      y, source, inputs, outputs, packed: shared, adds: false, images: images, team: team,
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
      dx, Source(dy), outputs, inputs, packed: shared, adds: adds, images: images, team: team,
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
    _ y: FloatPointer, _ source: Source, _ inputs: Int, _ outputs: Int, packed: FloatPointer,
    adds: Bool, images: Int, team: Team, work: Workspace, written: RowsWritten?
  ) {
    let cut = Cut(images)
    let (deep, wide) = (WinogradConvolution.padded(inputs), WinogradConvolution.padded(outputs))
    team.run(cut.pieces) { piece, lane in
      let block = Block(self, tiles: WinogradConvolution.tilesPerBlock)
      let band = work[lane]
      let v = band + bandCount(lines: block.mostLines, channels: inputs)
      let vPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: inputs)
      let m = v + WinogradConvolution.positions * vPosition
      let mPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: outputs)
      block.withRows(v, stride: deep) { rows in
        block.forEach(of: cut[piece]) { stretches, tiles in
          for stretch in stretches {
            source.band(
              band, stretch.frame(channels: inputs, from: 0, count: inputs, border: 1))
            for line in 0..<stretch.lines {
              ck_winograd_input(
                v + (stretch.tile + line * tilesAcross) * deep, vPosition, deep,
                band + line * 4 * stretch.bandWidth * deep, stretch.bandWidth * deep, deep,
                Int32(tilesAcross), Int32(deep))
            }
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
                y + (stretch.image * height + top) * width * outputs, width * outputs, outputs,
                Int32(height - top), Int32(width), Int32(outputs),
                m + (stretch.tile + line * tilesAcross) * wide, mPosition, wide, Int32(tilesAcross),
                adds ? 1 : 0)
            }
            let lines = stretch.imageLines
            written?(
              (stretch.image * height + lines.lowerBound) * width, lines.count * width, piece)
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
    let block = Block(self, tiles: WinogradConvolution.tilesPerBlock)
    let band = work
    let v = band + bandCount(lines: block.mostLines, channels: max(rows.count, columns.count))
    let vPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: rows.count)
    let m = v + WinogradConvolution.positions * vPosition
    let mPosition = WinogradConvolution.position(tiles: block.mostTiles, channels: columns.count)
    let sums = m + WinogradConvolution.positions * mPosition
    let sumPosition = rows.count * wide
    let gradient = Source(dy)
    var isFirst = true
    block.withRows(v, stride: deep) { a in
      block.forEach(of: images) { stretches, tiles in
        for stretch in stretches {
          source.band(
            band,
            stretch.frame(channels: inputs, from: rows.lowerBound, count: rows.count, border: 1))
          for line in 0..<stretch.lines {
            ck_winograd_input(
              v + (stretch.tile + line * tilesAcross) * deep, vPosition, deep,
              band + line * 4 * stretch.bandWidth * deep, stretch.bandWidth * deep, deep,
              Int32(tilesAcross), Int32(deep))
          }
          gradient.band(
            band,
            stretch.frame(
              channels: outputs, from: columns.lowerBound, count: columns.count, border: 0))
          for line in 0..<stretch.lines {
            ck_winograd_gradient(
              m + (stretch.tile + line * tilesAcross) * wide, mPosition, wide,
              band + line * 4 * 4 * tilesAcross * wide, 4 * tilesAcross * wide, wide,
              Int32(tilesAcross), Int32(wide))
          }
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
}

/// Lines of tiles, numbered through all images, that are worked on together.
private struct Block {
  let tileLines: Int
  let tilesAcross: Int
  let height: Int
  let width: Int
  let lines: Int

  /// Consecutive lines of tiles of one image.
  struct Stretch {
    var image: Int
    var firstLine: Int
    var lines: Int
    /// Place of the first tile in the block.
    var tile: Int
    var height: Int
    var width: Int
    var tilesAcross: Int

    /// Lines of the image that the tiles cover.
    var imageLines: Range<Int> { 4 * firstLine..<min(4 * (firstLine + lines), height) }

    /// Pixels of a band with the border that windows reach into.
    var bandWidth: Int { 4 * tilesAcross + 2 }

    func frame(channels: Int, from first: Int, count: Int, border: Int) -> Source.Frame {
      Source.Frame(
        image: image, height: height, width: width, imageChannels: channels,
        lines: 4 * firstLine - border..<4 * (firstLine + lines) + border,
        pixels: -border..<4 * tilesAcross + border, channels: first..<first + count,
        stride: (count + 15) / 16 * 16)
    }
  }

  init(_ convolution: WinogradConvolution, tiles: Int) {
    tileLines = (convolution.height + 3) / 4
    tilesAcross = (convolution.width + 3) / 4
    (height, width) = (convolution.height, convolution.width)
    lines = max(1, tiles / tilesAcross)
  }

  var mostLines: Int { min(lines, tileLines) }
  var mostTiles: Int { lines * tilesAcross }

  /// Pointers to the lines of a matrix [tiles][stride].
  func withRows(
    _ base: FloatPointer, stride: Int, _ body: (UnsafePointer<UnsafePointer<Float>?>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: mostTiles) { rows in
      for tile in 0..<mostTiles { rows.initializeElement(at: tile, to: base + tile * stride) }
      body(rows.baseAddress!)
    }
  }

  func forEach(of images: Range<Int>, _ body: ([Stretch], _ tiles: Int) -> Void) {
    let (first, last) = (images.lowerBound * tileLines, images.upperBound * tileLines)
    for start in stride(from: first, to: last, by: lines) {
      let end = min(start + lines, last)
      var stretches: [Stretch] = []
      var line = start
      while line < end {
        let image = line / tileLines
        let count = min(end, (image + 1) * tileLines) - line
        stretches.append(
          Stretch(
            image: image, firstLine: line % tileLines, lines: count,
            tile: (line - start) * tilesAcross, height: height, width: width,
            tilesAcross: tilesAcross))
        line += count
      }
      body(stretches, (end - start) * tilesAcross)
    }
  }
}
