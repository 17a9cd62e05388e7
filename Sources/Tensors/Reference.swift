/// Operations by their definition, slowly and in double precision: what tests and benchmarks hold the
/// fast ones against. Not for training.
package enum Reference {
  /// y[n][oh][ow][cout] of x[n][h][w][cin] and weights[kh][kw][cin][cout], and the gradients of x and of
  /// the weights where dy is that of y.
  package static func convolution(
    _ window: Window, outputs: Int, x: [Double], weights: [Double], dy: [Double], images: Int
  ) -> (y: [Double], dx: [Double], dw: [Double]) {
    let inputs = window.channels
    var y = [Double](repeating: 0, count: dy.count)
    var dx = [Double](repeating: 0, count: x.count)
    var dw = [Double](repeating: 0, count: weights.count)
    forEachTap(of: window, images: images) { input, output, tap in
      let (a, b) = (input * inputs, output * outputs)
      for i in 0..<inputs {
        let from = (tap * inputs + i) * outputs
        var sum = 0.0
        for o in 0..<outputs {
          y[b + o] += x[a + i] * weights[from + o]
          sum += dy[b + o] * weights[from + o]
          dw[from + o] += dy[b + o] * x[a + i]
        }
        dx[a + i] += sum
      }
    }
    return (y, dx, dw)
  }

  /// Each pair of an input pixel and an output pixel that meet, with the tap where they do.
  private static func forEachTap(
    of window: Window, images: Int, _ body: (_ input: Int, _ output: Int, _ tap: Int) -> Void
  ) {
    for n in 0..<images {
      for oy in 0..<window.outHeight {
        for ox in 0..<window.outWidth {
          let output = (n * window.outHeight + oy) * window.outWidth + ox
          for ky in 0..<window.kernelHeight {
            let iy = oy * window.strideHeight - window.padHeight + ky
            guard (0..<window.height).contains(iy) else { continue }
            for kx in 0..<window.kernelWidth {
              let ix = ox * window.strideWidth - window.padWidth + kx
              guard (0..<window.width).contains(ix) else { continue }
              body(
                (n * window.height + iy) * window.width + ix, output, ky * window.kernelWidth + kx)
            }
          }
        }
      }
    }
  }

  /// The Euclidean length of a - b over that of b.
  package static func error(_ a: [Float], _ b: [Double]) -> Double {
    precondition(a.count == b.count, "\(a.count) numbers against \(b.count)")
    var (difference, length) = (0.0, 0.0)
    for (x, y) in zip(a, b) {
      difference += (Double(x) - y) * (Double(x) - y)
      length += y * y
    }
    return (difference / max(length, 1e-300)).squareRoot()
  }
}
