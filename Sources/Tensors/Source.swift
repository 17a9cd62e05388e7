import CKernels

/// A stored value as its consumer sees it: as it is, or normalized and rectified on the way in, so that
/// the normalized value need not be stored.
package struct Source {
  package let base: UnsafePointer<Float>
  let view: ck_view

  /// The value as it is, or what is negative as zero where `relu`.
  package init(_ base: FloatPointer, relu: Bool = false) {
    self.base = UnsafePointer(base)
    view = ck_view(mean: nil, scale: nil, shift: nil, relu: relu ? 1 : 0)
  }

  /// (x - mean) * scale + shift of each channel, and what is negative as zero where `relu`.
  package init(
    _ base: FloatPointer, mean: FloatPointer, scale: FloatPointer, shift: FloatPointer, relu: Bool
  ) {
    self.base = UnsafePointer(base)
    view = ck_view(mean: mean, scale: scale, shift: shift, relu: relu ? 1 : 0)
  }

  /// Whether consumers may read the stored numbers themselves.
  var isPlain: Bool { view.mean == nil && view.relu == 0 }

  /// A stretch of one image; lines and pixels may lie outside of it.
  struct Frame {
    var image: Int
    var height: Int
    var width: Int
    var imageChannels: Int
    var lines: Range<Int>
    /// Every `lineStep`th line and every `pixelStep`th pixel only.
    var lineStep = 1
    var pixels: Range<Int>
    var pixelStep = 1
    var channels: Range<Int>
    /// Numbers from one pixel to the next.
    var stride: Int

    private func count(_ range: Range<Int>, _ step: Int) -> Int { (range.count + step - 1) / step }

    fileprivate var kernel: ck_frame {
      ck_frame(
        height: Int32(height), width: Int32(width), image_channels: Int32(imageChannels),
        first_line: Int32(lines.lowerBound), line_step: Int32(lineStep),
        lines: Int32(count(lines, lineStep)), first_pixel: Int32(pixels.lowerBound),
        step: Int32(pixelStep), pixels: Int32(count(pixels, pixelStep)),
        first_channel: Int32(channels.lowerBound), channels: Int32(channels.count),
        stride: Int32(stride))
    }
  }

  /// Writes [lines][pixels][stride], zero outside of the image.
  func band(_ band: FloatPointer, _ frame: Frame) {
    ck_band(
      band, base + frame.image * frame.height * frame.width * frame.imageChannels, view,
      frame.kernel)
  }

  /// Rows of [rows][channels], as they are seen.
  func rows(_ out: FloatPointer, _ rows: Range<Int>, channels: Int) {
    band(
      out,
      Frame(
        image: 0, height: 1, width: rows.upperBound, imageChannels: channels, lines: 0..<1,
        pixels: rows, channels: 0..<channels, stride: channels))
  }

  /// An image as it is seen: where it is stored, or written to `work`.
  func image(_ n: Int, pixels: Int, channels: Int, _ work: FloatPointer) -> UnsafePointer<Float> {
    if isPlain { return base + n * pixels * channels }
    rows(work, n * pixels..<(n + 1) * pixels, channels: channels)
    return UnsafePointer(work)
  }

  /// Values [first, first + count) of [count][channels] as they are seen, for inspection.
  package func values(_ rows: Range<Int>, channels: Int) -> [Float] {
    let out = Floats(count: rows.count * channels)
    self.rows(out.base, rows, channels: channels)
    return out.values
  }
}
