/// How the images of a ghost batch are covered by tiles of 4x4 pixels, for Winograd's transforms: lines
/// of tiles are numbered through all images and worked on in blocks.
struct TileGrid: Sendable {
  /// Of what the tiles cover.
  let height: Int
  let width: Int
  /// Of what windows of 6x6 pixels are read from, and by how much they reach over its border.
  let fromHeight: Int
  let fromWidth: Int
  let border: Int

  var tileLines: Int { (height + 3) / 4 }
  var tilesAcross: Int { (width + 3) / 4 }
  /// Pixels of a line of windows.
  var bandWidth: Int { 4 * tilesAcross + 2 }

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
    var imageLines: Range<Int> { 4 * firstLine..<min(4 * (firstLine + lines), grid.height) }

    /// What the windows of these lines and tiles of the stretch read.
    func inputFrame(
      _ lines: Range<Int>, _ tiles: Range<Int>, imageChannels: Int, channels: Range<Int>,
      stride: Int
    ) -> Source.Frame {
      let (top, left) = (
        4 * (firstLine + lines.lowerBound) - grid.border, 4 * tiles.lowerBound - grid.border
      )
      return Source.Frame(
        image: image, height: grid.fromHeight, width: grid.fromWidth, imageChannels: imageChannels,
        lines: top..<top + 4 * lines.count + 2, pixels: left..<left + 4 * tiles.count + 2,
        channels: channels, stride: stride)
    }

    /// Tiles of a line, and lines of the stretch, whose windows lie inside of the image.
    var innerTiles: Range<Int> { inner(0..<grid.tilesAcross, grid.fromWidth, first: 0) }
    var innerLines: Range<Int> { inner(0..<lines, grid.fromHeight, first: firstLine) }

    private func inner(_ range: Range<Int>, _ size: Int, first: Int) -> Range<Int> {
      func fits(_ i: Int) -> Bool {
        let from = 4 * (first + i) - grid.border
        return from >= 0 && from + 6 <= size
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
        lines: 4 * firstLine..<4 * (firstLine + lines), pixels: 0..<4 * grid.tilesAcross,
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
