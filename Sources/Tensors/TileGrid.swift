/// How the images of a ghost batch are covered by square tiles, for Winograd's transforms: lines of
/// tiles are numbered through all images and worked on in blocks.
struct TileGrid: Sendable {
  /// Of what the tiles cover.
  let height: Int
  let width: Int
  /// Pixels of a tile's side.
  let side: Int
  /// Outputs of the last line's tiles and of the last ones of a line, where fewer are computed.
  let edgeHeight: Int
  let edgeWidth: Int
  /// Of what tiles are computed from: windows of `reach` pixels a side, `step` pixels apart, the first
  /// one `border` pixels before the image.
  let fromHeight: Int
  let fromWidth: Int
  let reach: Int
  let step: Int
  let border: Int

  var tileLines: Int { (height + side - 1) / side }
  var tilesAcross: Int { (width + side - 1) / side }
  /// Tiles of a line, and lines, that are computed whole.
  var wholeAcross: Int { edgeWidth < 4 ? tilesAcross - 1 : tilesAcross }
  var wholeLines: Int { edgeHeight < 4 ? tileLines - 1 : tileLines }

  /// Tiles side by side that are alike.
  struct Run {
    /// Place in the block of the first one.
    var place: Int
    /// The first tile of the line, and how many.
    var first: Int
    var count: Int
    /// Lines and pixels of outputs that are computed.
    var tall: Int
    var wide: Int
  }

  /// Pixels of a line of windows.
  var bandWidth: Int { span(tilesAcross) }

  /// Pixels that so many windows cover.
  func span(_ windows: Int) -> Int { step * windows + reach - step }

  /// Blocks of about so many tiles, in whole lines. Where small images have edges of their own, blocks
  /// are of three images or a multiple: then each kind of tile comes in threes, and products are
  /// computed six lines at a time.
  func block(of tiles: Int) -> Block {
    let three = 3 * tileLines * tilesAcross
    guard edgeHeight < 4 || edgeWidth < 4, three <= tiles * 4 / 3 else {
      return Block(grid: self, lines: max(1, tiles / tilesAcross))
    }
    return Block(grid: self, lines: 3 * tileLines * max(1, tiles / three))
  }

  /// Consecutive lines of tiles of one image.
  struct Stretch {
    let grid: TileGrid
    var image: Int
    var firstLine: Int
    var lines: Int
    /// Places in the block.
    let order: Order
    /// Lines of the block before that are whole, and those that are an image's last and not whole.
    var wholeBefore: Int
    var edgesBefore: Int

    /// The tiles of a line of the stretch, alike ones together.
    @inline(__always)
    func forEachRun(line: Int, tiles: Range<Int>, _ body: (Run) -> Void) {
      let isEdge = firstLine + line >= grid.wholeLines
      let whole = grid.wholeAcross
      let tall = isEdge ? grid.edgeHeight : 4
      if tiles.lowerBound < min(whole, tiles.upperBound) {
        let start =
          isEdge
          ? order.bottom + edgesBefore * whole : order.whole + (wholeBefore + line) * whole
        body(
          Run(
            place: start + tiles.lowerBound, first: tiles.lowerBound,
            count: min(whole, tiles.upperBound) - tiles.lowerBound, tall: tall, wide: 4))
      }
      if tiles.upperBound > whole {
        body(
          Run(
            place: isEdge ? order.corner + edgesBefore : wholeBefore + line, first: whole, count: 1,
            tall: tall, wide: grid.edgeWidth))
      }
    }

    /// Lines of the image that the tiles cover.
    var imageLines: Range<Int> {
      grid.side * firstLine..<min(grid.side * (firstLine + lines), grid.height)
    }

    /// The first line and pixel that the window of a tile reads; before the image where negative.
    func windowStart(line: Int, tile: Int) -> (line: Int, pixel: Int) {
      (grid.step * (firstLine + line) - grid.border, grid.step * tile - grid.border)
    }

    /// What the windows of these lines and tiles of the stretch read.
    func inputFrame(
      _ lines: Range<Int>, _ tiles: Range<Int>, imageChannels: Int, channels: Range<Int>,
      stride: Int
    ) -> Source.Frame {
      let (top, left) = windowStart(line: lines.lowerBound, tile: tiles.lowerBound)
      return Source.Frame(
        image: image, height: grid.fromHeight, width: grid.fromWidth, imageChannels: imageChannels,
        lines: top..<top + grid.span(lines.count), pixels: left..<left + grid.span(tiles.count),
        channels: channels, stride: stride)
    }

    /// Tiles of a line, and lines of the stretch, whose windows lie inside of the image.
    var innerTiles: Range<Int> { inner(0..<grid.tilesAcross, grid.fromWidth, first: 0) }
    var innerLines: Range<Int> { inner(0..<lines, grid.fromHeight, first: firstLine) }

    private func inner(_ range: Range<Int>, _ size: Int, first: Int) -> Range<Int> {
      func fits(_ i: Int) -> Bool {
        let from = grid.step * (first + i) - grid.border
        return from >= 0 && from + grid.reach <= size
      }
      guard let low = range.first(where: fits), let high = range.last(where: fits) else {
        return range.lowerBound..<range.lowerBound
      }
      return low..<high + 1
    }

    /// What the tiles cover, filled up to whole tiles.
    func outputFrame(imageChannels: Int, channels: Range<Int>, stride: Int) -> Source.Frame {
      Source.Frame(
        image: image, height: grid.height, width: grid.width, imageChannels: imageChannels,
        lines: grid.side * firstLine..<grid.side * (firstLine + lines),
        pixels: 0..<grid.side * grid.tilesAcross,
        channels: channels, stride: stride)
    }
  }

  /// The order of a block's tiles: those of the right edge, whole ones, those of the bottom edge, and
  /// corners. So the tiles that have something at a position are always consecutive.
  struct Order {
    let whole: Int
    let bottom: Int
    let corner: Int
    let count: Int

    /// The tiles that have something at a position which narrow, or low, tiles skip.
    func tiles(skippingNarrow: Bool, low: Bool) -> Range<Int> {
      (skippingNarrow ? whole : 0)..<(low ? bottom : skippingNarrow ? corner : count)
    }
  }

  struct Block: Sendable {
    let grid: TileGrid
    let lines: Int

    var mostLines: Int { min(lines, grid.tileLines) }
    var mostTiles: Int { lines * grid.tilesAcross }

    /// Pointers to the lines of a matrix [tiles][stride].
    func withRows(
      _ base: FloatPointer, stride: Int, _ body: (UnsafePointer<UnsafePointer<Float>?>) -> Void
    ) {
      withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: mostTiles) { rows in
        for tile in 0..<mostTiles { rows.initializeElement(at: tile, to: base + tile * stride) }
        body(rows.baseAddress!)
      }
    }

    func forEach(of images: Range<Int>, _ body: ([Stretch], Order) -> Void) {
      let (first, last) = (images.lowerBound * grid.tileLines, images.upperBound * grid.tileLines)
      for start in stride(from: first, to: last, by: lines) {
        let end = min(start + lines, last)
        // Lines that are an image's last, where that is not whole.
        let edges =
          grid.edgeHeight < 4 ? end / grid.tileLines - start / grid.tileLines : 0
        let order = order(whole: end - start - edges, edges: edges)
        var (wholeBefore, edgesBefore) = (0, 0)
        var stretches: [Stretch] = []
        var line = start
        while line < end {
          let image = line / grid.tileLines
          let count = min(end, (image + 1) * grid.tileLines) - line
          stretches.append(
            Stretch(
              grid: grid, image: image, firstLine: line % grid.tileLines, lines: count,
              order: order, wholeBefore: wholeBefore, edgesBefore: edgesBefore))
          line += count
          let hasEdge = line % grid.tileLines == 0 && grid.edgeHeight < 4
          wholeBefore += hasEdge ? count - 1 : count
          edgesBefore += hasEdge ? 1 : 0
        }
        body(stretches, order)
      }
    }

    private func order(whole: Int, edges: Int) -> Order {
      let across = grid.wholeAcross
      let right = across < grid.tilesAcross ? whole : 0
      let bottom = right + whole * across
      return Order(
        whole: right, bottom: bottom, corner: bottom + edges * across,
        count: (whole + edges) * grid.tilesAcross)
    }
  }
}
