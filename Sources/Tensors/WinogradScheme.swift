import CKernels

/// Which minimal filtering a 3x3 convolution is computed by: the positions at which a tile's products
/// are taken, and the transforms to and from them.
enum WinogradScheme {
  /// Stride 1 by F(4x4, 3x3): of 4x4 outputs, 6x6 positions instead of 144 products (Lavin and Gray
  /// 2016).
  case tiles
  /// Stride 2, as the sum over the four phases of its pixels: of 4x4 outputs, 9x9 positions.
  case phases

  /// Positions along a line.
  var side: Int { self == .tiles ? 6 : 9 }
  var positions: Int { side * side }

  /// Matrices of weights; positions may have one in common.
  static let matrices = 36

  func matrix(of position: Int) -> Int {
    switch self {
    case .tiles: position
    case .phases: 6 * min(position / side, 5) + min(position % side, 5)
    }
  }

  /// Whether a position is the first one of its matrix.
  func isFirst(_ position: Int) -> Bool {
    self == .tiles || (position / side < 6 && position % side < 6)
  }

  /// Outputs of a line of an edge tile that must cover so many: fewer positions are enough for them.
  func edge(_ rest: Int) -> Int { self == .phases || rest == 0 ? 4 : max(2, rest) }

  /// Whether a tile of so many outputs a line has nothing at this position of a line.
  private func skips(_ place: Int, outputs: Int) -> Bool {
    outputs < 4 && place == 4 || outputs < 3 && place == 3
  }

  /// The tiles of a block that have something at a position.
  func tiles(at position: Int, of grid: TileGrid, _ order: TileGrid.Order) -> Range<Int> {
    order.tiles(
      skippingNarrow: skips(position % side, outputs: grid.edgeWidth),
      low: skips(position / side, outputs: grid.edgeHeight))
  }

  /// The products of fewer tiles would wait for their weights, those of more would leave the cache.
  var tilesPerBlock: Int { self == .tiles ? 36 : 16 }

  /// Tiles over the outputs of the convolution.
  func forwardTiles(_ window: Window) -> TileGrid {
    TileGrid(
      height: window.outHeight, width: window.outWidth, side: 4,
      edgeHeight: edge(window.outHeight % 4), edgeWidth: edge(window.outWidth % 4),
      fromHeight: window.height,
      fromWidth: window.width, reach: self == .tiles ? 6 : 9, step: self == .tiles ? 4 : 8,
      border: window.padHeight)
  }

  /// Tiles over its inputs, where gradients go there.
  func backwardTiles(_ window: Window) -> TileGrid {
    TileGrid(
      height: window.height, width: window.width, side: self == .tiles ? 4 : 8,
      edgeHeight: edge(window.height % 4), edgeWidth: edge(window.width % 4),
      fromHeight: window.outHeight, fromWidth: window.outWidth, reach: self == .tiles ? 6 : 5,
      step: 4, border: self == .tiles ? 2 - window.padHeight : 1 - window.padHeight)
  }

  // MARK: - Transforms: see the functions of CKernels

  enum Direction {
    case forward
    /// Of the window's padding, which decides in which phase an image begins.
    case backward(pad: Int)
  }

  func input(
    _ direction: Direction, _ v: FloatPointer, _ position: Int, _ tileStride: Int,
    _ from: UnsafePointer<Float>, line: Int, pixel: Int, _ run: TileGrid.Run, channels: Int
  ) {
    let (tiles, channels) = (Int32(run.count), Int32(channels))
    switch (self, direction) {
    case (.tiles, _):
      ck_winograd_input(
        v, position, tileStride, from, line, pixel, tiles, channels, Int32(run.tall),
        Int32(run.wide))
    case (.phases, .forward):
      ck_polyphase_input(v, position, tileStride, from, line, pixel, tiles, channels)
    case (.phases, .backward(let pad)):
      ck_polyphase_turned_input(
        v, position, tileStride, from, line, pixel, tiles, channels, pad == 0 ? 1 : 0)
    }
  }

  func output(
    _ direction: Direction, _ y: FloatPointer, line: Int, pixel: Int, lines: Int, pixels: Int,
    _ m: FloatPointer, _ position: Int, _ tileStride: Int, _ run: TileGrid.Run, adds: Bool
  ) {
    let (lines, pixels, channels) = (Int32(lines), Int32(pixels), Int32(pixel))
    let (tiles, add) = (Int32(run.count), Int32(adds ? 1 : 0))
    switch (self, direction) {
    case (.tiles, _):
      ck_winograd_output(
        y, line, pixel, lines, pixels, channels, m, position, tileStride, tiles, add,
        Int32(run.tall), Int32(run.wide))
    case (.phases, .forward):
      ck_polyphase_output(
        y, line, pixel, lines, pixels, channels, m, position, tileStride, tiles, add)
    case (.phases, .backward(let pad)):
      ck_polyphase_data(
        y, line, pixel, lines, pixels, channels, m, position, tileStride, tiles, add, Int32(pad))
    }
  }

  func gradient(
    _ m: FloatPointer, _ position: Int, _ tileStride: Int, _ from: UnsafePointer<Float>, line: Int,
    pixel: Int, lines: Int, pixels: Int, _ run: TileGrid.Run, channels: Int
  ) {
    let (tiles, channels) = (Int32(run.count), Int32(channels))
    switch self {
    case .tiles:
      ck_winograd_gradient(
        m, position, tileStride, from, line, pixel, Int32(lines), Int32(pixels), tiles, channels,
        Int32(run.tall), Int32(run.wide))
    case .phases:
      ck_polyphase_gradient(m, position, tileStride, from, line, pixel, tiles, channels)
    }
  }

  func weights(
    _ packed: FloatPointer, _ matrix: Int, _ weights: FloatPointer, rows: Int, columns: Int,
    _ range: Range<Int>
  ) {
    let transform = self == .tiles ? ck_winograd_weights : ck_polyphase_weights
    transform(
      packed, matrix, weights, Int32(rows), Int32(columns), Int32(range.lowerBound),
      Int32(range.upperBound))
  }

  func weightGradient(
    _ dw: FloatPointer, tap: Int, row: Int, _ sums: FloatPointer, _ matrix: Int, _ stride: Int,
    rows: Int, columns: Int
  ) {
    let transform =
      self == .tiles ? ck_winograd_weight_gradient : ck_polyphase_weight_gradient
    transform(dw, tap, row, sums, matrix, stride, Int32(rows), Int32(columns))
  }
}
