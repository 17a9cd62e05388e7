/// How the images of a ghost batch are covered by square tiles, for Winograd's transforms: lines of
/// tiles are numbered through all images and worked on in blocks.
struct TileGrid: Sendable {
  /// Of what the tiles cover.
  let height: Int
  let width: Int
  /// Pixels of a tile's side.
  let side: Int
  /// Of what tiles are computed from: windows of `reach` pixels a side, `step` pixels apart, the first
  /// one `border` pixels before the image.
  let fromHeight: Int
  let fromWidth: Int
  let reach: Int
  let step: Int
  let border: Int

  var tileLines: Int { (height + side - 1) / side }
  var tilesAcross: Int { (width + side - 1) / side }
  /// Pixels of a line of windows.
  var bandWidth: Int { span(tilesAcross) }

  /// Pixels that so many windows cover.
  func span(_ windows: Int) -> Int { step * windows + reach - step }

  /// Blocks of about so many tiles, in whole lines.
  func block(of tiles: Int) -> Block { Block(grid: self, lines: max(1, tiles / tilesAcross)) }

  /// Consecutive lines of tiles of one image.
  struct Stretch {
    let grid: TileGrid
    var image: Int
    var firstLine: Int
    var lines: Int
    /// Place of the first tile in the block.
    var tile: Int

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

    func forEach(of images: Range<Int>, _ body: ([Stretch], _ tiles: Int) -> Void) {
      let (first, last) = (images.lowerBound * grid.tileLines, images.upperBound * grid.tileLines)
      for start in stride(from: first, to: last, by: lines) {
        let end = min(start + lines, last)
        var stretches: [Stretch] = []
        var line = start
        while line < end {
          let image = line / grid.tileLines
          let count = min(end, (image + 1) * grid.tileLines) - line
          stretches.append(
            Stretch(
              grid: grid, image: image, firstLine: line % grid.tileLines, lines: count,
              tile: (line - start) * grid.tilesAcross))
          line += count
        }
        body(stretches, (end - start) * grid.tilesAcross)
      }
    }
  }
}
