import Tensors
import TestSupport
import Testing

/// Fast operations against the definition, in double precision, at sizes that fit no block.
@Suite struct ReferenceTests {
  private let random = Philox(seed: 11, purpose: .selfCheck)

  private func numbers(_ count: Int, _ stream: UInt32) -> [Float] {
    (0..<count).map { Float(2 * random.uniform(UInt64($0), stream: stream) - 1) }
  }

  @Test(arguments: [1, 5, 7, 33], [1, 2]) func convolutionIsItsDefinition(size: Int, stride: Int) {
    let team = Team(size: 2)
    defer { team.close() }
    for (kernel, cin, cout) in [(1, 3, 5), (3, 1, 7), (3, 17, 4), (5, 2, 3)]
    where kernel <= size + 2 {
      let pad = (kernel - 1) / 2
      let window = Window(
        height: size, width: size, channels: cin, kernel: (kernel, kernel),
        stride: (stride, stride),
        pad: (pad, pad))
      let convolution = Convolution(window, outputChannels: cout)
      let (images, out) = (3, window.outHeight)
      let x = numbers(images * size * size * cin, 1)
      let w = numbers(kernel * kernel * cin * cout, 2)
      let dy = numbers(images * out * out * cout, 3)
      var (y, dx, dw) = (
        [Double](repeating: 0, count: dy.count), [Double](repeating: 0, count: x.count),
        [Double](repeating: 0, count: w.count)
      )
      for n in 0..<images {
        for oy in 0..<out {
          for ox in 0..<out {
            for ky in 0..<kernel {
              for kx in 0..<kernel {
                let (iy, ix) = (oy * stride - pad + ky, ox * stride - pad + kx)
                guard (0..<size).contains(iy), (0..<size).contains(ix) else { continue }
                for i in 0..<cin {
                  for o in 0..<cout {
                    let (a, b) = (
                      ((n * size + iy) * size + ix) * cin + i,
                      ((n * out + oy) * out + ox) * cout + o
                    )
                    let c = ((ky * kernel + kx) * cin + i) * cout + o
                    y[b] += Double(x[a]) * Double(w[c])
                    dx[a] += Double(dy[b]) * Double(w[c])
                    dw[c] += Double(dy[b]) * Double(x[a])
                  }
                }
              }
            }
          }
        }
      }
      let (fx, fw, fdy) = (floats(x), floats(w), floats(dy))
      let (fy, fdx, fdw) = (Floats(count: y.count), Floats(count: x.count), Floats(count: w.count))
      let scratch = Floats(count: convolution.workspace * team.size + 1)
      let lanes = Workspace(scratch, perLane: convolution.workspace)
      let partial = Floats(count: Cut.most * convolution.weightCount)
      convolution.forward(
        fy.base, x: fx.base, weights: fw.base, images: images, team: team, work: lanes)
      convolution.backward(
        dx: fdx.base, addToDx: false, dw: fdw.base, dy: fdy.base, x: fx.base, weights: fw.base,
        partial: partial.base, images: images, team: team, work: lanes)
      withExtendedLifetime((fx, fw, fdy, partial)) {}
      for (fast, exact) in [(fy, y), (fdx, dx), (fdw, dw)] {
        let error = norm(zip(fast.values, exact).map { Double($0) - $1 }) / max(norm(exact), 1e-30)
        #expect(error < 2e-6, "kernel \(kernel), \(cin) to \(cout) channels: \(error)")
      }
    }
  }

  @Test(arguments: [1, 5, 7, 33, 100]) func momentsAreTheirDefinition(channels: Int) {
    let team = Team(size: 2)
    defer { team.close() }
    let (images, pixels) = (5, 11)
    // A large mean: a one-pass variance would lose everything here.
    let x = numbers(images * pixels * channels, 4).map { $0 + 300 }
    let storage = floats(x)
    let found = withExtendedLifetime(storage) {
      BatchNormalization(channels: channels, relu: false)
        .statistics(of: storage.base, images: images, pixels: pixels, team: team)
    }
    for c in 0..<channels {
      let column = stride(from: c, to: x.count, by: channels).map { Double(x[$0]) }
      let mean = column.reduce(0, +) / Double(column.count)
      let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(column.count)
      #expect(abs(found.mean[c] - mean) < 1e-6 * abs(mean))
      #expect(abs(found.variance[c] - variance) < 1e-5 * variance)
    }
  }

  @Test(arguments: [1, 2, 3, 4]) func aTeamOfAnySizeGivesTheSameBits(threads: Int) {
    let window = Window(
      height: 9, width: 7, channels: 5, kernel: (3, 3), stride: (1, 1), pad: (1, 1))
    let convolution = Convolution(window, outputChannels: 6)
    let images = 13
    let (x, w, dy) = (
      floats(numbers(images * 315, 5)), floats(numbers(270, 6)), floats(numbers(images * 378, 7))
    )
    func weights(_ threads: Int) -> [Float] {
      let team = Team(size: threads)
      defer { team.close() }
      let scratch = Floats(count: convolution.workspace * threads)
      let (dw, partial) = (Floats(count: 270), Floats(count: Cut.most * 270))
      convolution.backward(
        dx: nil, addToDx: false, dw: dw.base, dy: dy.base, x: x.base, weights: w.base,
        partial: partial.base, images: images, team: team,
        work: Workspace(scratch, perLane: convolution.workspace))
      withExtendedLifetime((x, w, dy, partial)) {}
      return dw.values
    }
    #expect(weights(threads) == weights(1))
  }
}
