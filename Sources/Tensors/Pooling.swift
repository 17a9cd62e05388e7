import CKernels

/// Maxima over windows. `arg` remembers where each came from: one byte an output element.
package struct MaxPooling: Sendable {
  package let window: Window

  package init(_ window: Window) {
    precondition(
      window.kernelHeight * window.kernelWidth <= 256, "a pooling window above 256 pixels")
    self.window = window
  }

  private var inputSize: Int { window.height * window.width * window.channels }
  private var outputSize: Int { window.outHeight * window.outWidth * window.channels }

  package func forward(
    _ y: FloatPointer, arg: UnsafeMutablePointer<UInt8>, x: FloatPointer, images: Int, team: Team
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      let n = cut[piece].lowerBound
      ck_max_pool(
        y + n * outputSize, arg + n * outputSize, x + n * inputSize, window.kernel, cut[piece].count
      )
    }
  }

  package func backward(
    dx: FloatPointer, addToDx: Bool, dy: FloatPointer, arg: UnsafeMutablePointer<UInt8>,
    images: Int,
    team: Team
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      let n = cut[piece].lowerBound
      ck_max_pool_backward(
        dx + n * inputSize, dy + n * outputSize, arg + n * outputSize, window.kernel,
        cut[piece].count,
        addToDx ? 1 : 0)
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

  package func forward(_ y: FloatPointer, x: FloatPointer, images: Int, team: Team) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      let n = cut[piece].lowerBound
      ck_global_mean(
        y + n * channels, x + n * pixels * channels, cut[piece].count, pixels, Int32(channels))
    }
  }

  package func backward(dx: FloatPointer, addToDx: Bool, dy: FloatPointer, images: Int, team: Team)
  {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      let n = cut[piece].lowerBound
      ck_global_mean_backward(
        dx + n * pixels * channels, dy + n * channels, cut[piece].count, pixels, Int32(channels),
        addToDx ? 1 : 0)
    }
  }
}
