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

  /// Numbers of workspace that a lane needs: an image as it is seen.
  package var workspace: Int { inputSize }

  package func forward(
    _ y: FloatPointer, arg: UnsafeMutablePointer<UInt8>, source: Source, images: Int, team: Team,
    work: Workspace, moments: Moments? = nil
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, lane in
      for n in cut[piece] {
        let x = source.image(
          n, pixels: window.height * window.width, channels: window.channels, work[lane])
        ck_max_pool(y + n * outputSize, arg + n * outputSize, x, window.kernel, 1)
        moments?.gather(
          y + n * outputSize, count: window.outHeight * window.outWidth, piece: piece)
      }
    }
  }

  package func backward(
    _ dx: FloatPointer, adds: Bool, dy: FloatPointer, arg: UnsafeMutablePointer<UInt8>,
    images: Int, team: Team, finish: GradientFinish? = nil
  ) {
    let cut = Cut(images)
    let pixels = window.height * window.width
    team.run(cut.pieces) { piece, _ in
      for n in cut[piece] {
        ck_max_pool_backward(
          dx + n * inputSize, dy + n * outputSize, arg + n * outputSize, window.kernel, 1,
          adds ? 1 : 0)
        finish?.rows(dx, first: n * pixels, count: pixels, piece: piece)
      }
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
