import CKernels

/// Maxima over windows. `arg` remembers where each came from: one byte an output element.
package struct MaxPooling: Sendable {
  package let window: Window

  package init(_ window: Window) {
    precondition(
      window.kernelHeight * window.kernelWidth <= 256, "a pooling window above 256 pixels")
    self.window = window
  }

  package func forward(
    _ y: FloatPointer, arg: UnsafeMutablePointer<UInt8>, source: Source, images: Int, team: Team,
    moments: Moments? = nil
  ) {
    window.forEachImage(images, team) { n, piece in
      let out = y + n * window.outCount
      ck_max_pool(
        out, arg + n * window.outCount, source.base + n * window.count, source.view, window.kernel)
      moments?.gather(out, count: window.outHeight * window.outWidth, piece: piece)
    }
  }

  package func backward(
    _ dx: FloatPointer, adds: Bool, dy: FloatPointer, arg: UnsafeMutablePointer<UInt8>,
    images: Int, team: Team, finish: GradientFinish? = nil
  ) {
    let pixels = window.height * window.width
    window.forEachImage(images, team) { n, piece in
      ck_max_pool_backward(
        dx + n * window.count, dy + n * window.outCount, arg + n * window.outCount, window.kernel,
        adds ? 1 : 0)
      finish?.rows(dx, first: n * pixels, count: pixels, piece: piece)
    }
  }
}

/// Maxima over windows of a value that only the pool reads, through batch norm and perhaps ReLU. Both
/// keep the order of a channel's values; a norm with negative gamma reverses it. So the convolution that
/// writes the value can pool it at once, while it is in the cache, and the norm becomes a view of the
/// pooled values.
package struct PoolBeforeNorm {
  private let pooling: MaxPooling
  private let x, y: FloatPointer
  private let arg: UnsafeMutablePointer<UInt8>
  private let gamma: FloatPointer

  /// From x to y, stored as they are before the norm.
  package init(
    _ pooling: MaxPooling, x: FloatPointer, y: FloatPointer, arg: UnsafeMutablePointer<UInt8>,
    gamma: FloatPointer
  ) {
    (self.pooling, self.x, self.y, self.arg, self.gamma) = (pooling, x, y, arg, gamma)
  }

  /// Pools the windows whose last pixel is among rows [first, first + count) of x, in their order.
  package func rows(first: Int, count: Int) {
    let window = pooling.window
    let pixels = window.height * window.width
    for image in first / pixels...(first + count - 1) / pixels {
      func lines(_ row: Int) -> Int { min(max(row - image * pixels, 0), pixels) / window.width }
      let from = window.finishedLines(after: lines(first))
      let until = window.finishedLines(after: lines(first + count))
      let at = image * window.outCount
      ck_max_pool_before_norm(
        y + at, arg + at, x + image * window.count, gamma, window.kernel, Int32(from), Int32(until))
    }
  }

  /// From the gradient dy of the pooled values, finished for the view of them, lines of that of x.
  func backward(
    _ dx: FloatPointer, dy: FloatPointer, norm: ck_norm_gradient, image: Int, lines: Range<Int>
  ) {
    let window = pooling.window
    ck_max_pool_norm_backward(
      dx, dy + image * window.outCount, arg + image * window.outCount, x + image * window.count,
      norm, window.kernel, Int32(lines.lowerBound), Int32(lines.upperBound))
  }
}

/// Means over windows, of the pixels inside of the image.
package struct AveragePooling: Sendable {
  package let window: Window

  package init(_ window: Window) { self.window = window }

  package func forward(
    _ y: FloatPointer, source: Source, images: Int, team: Team, moments: Moments? = nil
  ) {
    window.forEachImage(images, team) { n, piece in
      let out = y + n * window.outCount
      ck_average_pool(
        out, source.base + n * window.count, source.view, window.kernel)
      moments?.gather(out, count: window.outHeight * window.outWidth, piece: piece)
    }
  }

  package func backward(
    _ dx: FloatPointer, adds: Bool, dy: FloatPointer, images: Int, team: Team,
    finish: GradientFinish? = nil
  ) {
    let pixels = window.height * window.width
    window.forEachImage(images, team) { n, piece in
      ck_average_pool_backward(
        dx + n * window.count, dy + n * window.outCount, window.kernel, adds ? 1 : 0)
      finish?.rows(dx, first: n * pixels, count: pixels, piece: piece)
    }
  }
}

extension Window {
  /// Numbers of an image, before and after.
  fileprivate var count: Int { height * width * channels }
  fileprivate var outCount: Int { outHeight * outWidth * channels }

  /// How many lines of outputs need no more than so many lines of the image.
  fileprivate func finishedLines(after lines: Int) -> Int {
    if lines >= height { return outHeight }
    let left = lines + padHeight - kernelHeight
    return left < 0 ? 0 : min(left / strideHeight + 1, outHeight)
  }

  fileprivate func forEachImage(
    _ images: Int, _ team: Team, _ body: (_ n: Int, _ piece: Int) -> Void
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      for n in cut[piece] { body(n, piece) }
    }
  }
}

/// The mean over all pixels of an image, channel by channel.
package struct GlobalMean: Sendable {
  package let pixels: Int
  package let channels: Int

  package init(pixels: Int, channels: Int) {
    self.pixels = pixels
    self.channels = channels
  }

  /// Numbers of workspace that a lane needs: an image as it is seen.
  package var workspace: Int { pixels * channels }

  package func forward(
    _ y: FloatPointer, source: Source, images: Int, team: Team, work: Workspace,
    moments: Moments? = nil
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, lane in
      for n in cut[piece] {
        let x = source.image(n, pixels: pixels, channels: channels, work[lane])
        ck_global_mean(y + n * channels, x, 1, pixels, Int32(channels))
        moments?.gather(y + n * channels, count: 1, piece: piece)
      }
    }
  }

  package func backward(
    _ dx: FloatPointer, adds: Bool, dy: FloatPointer, images: Int, team: Team,
    finish: GradientFinish? = nil
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      for n in cut[piece] {
        ck_global_mean_backward(
          dx + n * pixels * channels, dy + n * channels, 1, pixels, Int32(channels), adds ? 1 : 0)
        finish?.rows(dx, first: n * pixels, count: pixels, piece: piece)
      }
    }
  }
}
