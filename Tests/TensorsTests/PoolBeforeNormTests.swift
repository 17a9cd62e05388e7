import Tensors
import Testing

/// A pool that goes before its norm leaves the values and gradients of one that comes behind it.
@Suite struct PoolBeforeNormTests {
  @Test(arguments: [
    (8, 8, 2, 2, 0), (9, 7, 2, 2, 0), (10, 9, 3, 2, 1), (7, 7, 3, 3, 0), (6, 5, 3, 1, 1),
  ])
  func isThePoolBehindTheNorm(height: Int, width: Int, side: Int, stride: Int, pad: Int) {
    let (images, channels) = (3, 11)
    let team = Team(size: 2)
    defer { team.close() }
    let window = Window(
      height: height, width: width, channels: channels, kernel: (side, side),
      stride: (stride, stride), pad: (pad, pad))
    let pooling = MaxPooling(window)
    let (pixels, outPixels) = (height * width, window.outHeight * window.outWidth)
    let (count, outCount) = (images * pixels * channels, images * outPixels * channels)
    let random = Philox(seed: 5, purpose: .selfCheck)
    let x = Floats(count: count)
    for i in 0..<count { x.base[i] = Float(random.normal(UInt64(i))) }
    let (gamma, beta) = (Floats(count: channels), Floats(count: channels))
    for c in 0..<channels {
      gamma.base[c] = c % 3 == 0 ? -0.5 - Float(c) / 8 : 0.75
      beta.base[c] = 0.1 * Float(c) - 0.4
    }
    let dy = Floats(count: outCount)
    for i in 0..<outCount { dy.base[i] = Float(random.normal(UInt64(i), stream: 1)) }

    func norm() -> BatchNormalization {
      let norm = BatchNormalization(channels: channels, relu: true)
      let moments = Moments(channels: channels)
      moments.gather(x.base, images: images, pixels: pixels)
      norm.use(moments, gamma: gamma.base, beta: beta.base)
      norm.beginBackward()
      return norm
    }
    func withPlaces(_ body: (UnsafeMutablePointer<UInt8>) -> Void) {
      var places = [UInt8](repeating: 0, count: outCount)
      places.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    }

    // Behind the norm, as it is written.
    let behind = norm()
    let (y, dx) = (Floats(count: outCount), Floats(count: count))
    let (dgamma, dbeta) = (Floats(count: channels), Floats(count: channels))
    withPlaces { places in
      pooling.forward(
        y.base, arg: places, source: behind.source(x.base), images: images, team: team)
      pooling.backward(
        dx.base, adds: false, dy: dy.base, arg: places, images: images, team: team,
        finish: GradientFinish(behind.source(x.base), channels: channels, norm: behind))
    }
    behind.backward(
      dgamma: dgamma.base, dbeta: dbeta.base, gamma: gamma.base, g: dx.base, x: x.base,
      extent: (height, width)
    ).write(dx.base, adds: false, images: images, team: team)

    // Before it, in stretches of rows that end anywhere.
    let before = norm()
    let (z, g, dx2) = (Floats(count: outCount), Floats(count: outCount), Floats(count: count))
    let (dgamma2, dbeta2) = (Floats(count: channels), Floats(count: channels))
    withPlaces { places in
      let pool = PoolBeforeNorm(
        pooling, x: x.base, y: z.base, arg: places, gamma: gamma.base)
      var first = 0
      while first < images * pixels {
        let rows = min(1 + (first * 7) % 23, images * pixels - first)
        pool.rows(first: first, count: rows)
        first += rows
      }
      let seen = before.source(z.base)
      #expect(seen.values(0..<images * outPixels, channels: channels) == y.values)
      g.base.update(from: dy.base, count: outCount)
      GradientFinish(seen, channels: channels, norm: before)
        .all(g.base, images: images, pixels: outPixels, team: team)
      before.backward(
        dgamma: dgamma2.base, dbeta: dbeta2.base, gamma: gamma.base, g: g.base, x: x.base,
        extent: (height, width), pool: pool
      ).write(dx2.base, adds: false, images: images, team: team)
    }
    for (name, a, b) in [("dx", dx, dx2), ("dgamma", dgamma, dgamma2), ("dbeta", dbeta, dbeta2)] {
      let most = a.values.map(abs).max() ?? 0
      for (i, (p, q)) in zip(a.values, b.values).enumerated() where abs(p - q) > 2e-5 * most {
        Issue.record("\(name)[\(i)]: \(p) behind the norm, \(q) before it")
        break
      }
    }
  }
}
