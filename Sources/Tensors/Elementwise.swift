import CKernels

/// Operations on each number by itself, cut by their count.
package enum Elementwise {
  private static func each(_ count: Int, _ team: Team, _ body: (Range<Int>) -> Void) {
    let cut = Cut(count)
    team.run(cut.pieces) { piece, _ in body(cut[piece]) }
  }

  /// y = a + factor * b of images, pixels and channels, as they are seen; rows go into `moments`.
  package static func sum(
    _ y: FloatPointer, _ a: Source, _ b: Source, factor: Float, images: Int, pixels: Int,
    channels: Int, team: Team, moments: Moments?
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      // A stretch that stays in the cache until its moments are taken.
      let (first, last) = (cut[piece].lowerBound * pixels, cut[piece].upperBound * pixels)
      let stretch = max(1, (32 << 10) / channels)
      for row in stride(from: first, to: last, by: stretch) {
        let (at, rows) = (row * channels, min(stretch, last - row))
        ck_sum_of_two(
          y + at, a.base + at, a.view, b.base + at, b.view, factor, rows, Int32(channels))
        moments?.gather(y + at, count: rows, piece: piece)
      }
    }
  }

  /// y = x, or y += x.
  package static func copy(
    _ y: FloatPointer, from x: FloatPointer, adding: Bool, count: Int, team: Team
  ) {
    each(count, team) {
      ck_copy_or_add(y + $0.lowerBound, x + $0.lowerBound, $0.count, adding ? 1 : 0)
    }
  }

  /// y (+)= factor * x
  package static func add(
    _ y: FloatPointer, from x: FloatPointer, factor: Float, adding: Bool, count: Int, team: Team
  ) {
    each(count, team) {
      ck_add_scaled(y + $0.lowerBound, x + $0.lowerBound, factor, $0.count, adding ? 1 : 0)
    }
  }

  package static func scale(_ y: FloatPointer, by factor: Float, count: Int, team: Team) {
    each(count, team) { ck_scale(y + $0.lowerBound, factor, $0.count) }
  }

  /// In double precision, always summed alike: pieces by the count alone, then from the first one on.
  package static func squareSum(_ x: FloatPointer, count: Int, team: Team) -> Double {
    let cut = Cut(count)
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: Cut.most) { sums in
      nonisolated(unsafe) let sums = sums  // Each task writes its own element.
      team.run(cut.pieces) { piece, _ in
        sums[piece] = ck_square_sum(x + cut[piece].lowerBound, cut[piece].count)
      }
      return sums[..<cut.pieces].reduce(0, +)
    }
  }
}

/// Softmax cross-entropy of logits[n][classes].
package enum CrossEntropy {
  package struct Result {
    package var loss: [Double]
    package var correct: [UInt8]
  }

  /// Writes (p - target) * scale to `dlogits` unless it is nil.
  package static func evaluate(
    logits: FloatPointer, labels: [Int32], classes: Int, smoothing: Double, dlogits: FloatPointer?,
    scale: Double
  ) -> Result {
    var result = Result(
      loss: .init(repeating: 0, count: labels.count),
      correct: .init(repeating: 0, count: labels.count))
    ck_softmax_cross_entropy(
      &result.loss, &result.correct, dlogits, logits, labels, labels.count, Int32(classes),
      smoothing,
      scale)
    return result
  }
}

/// Which kernels this machine runs: part of the numerics fingerprint.
package var kernelDescription: String {
  "\(String(cString: ck_instruction_set())), \(BLAS.description)"
}

/// Multiplications with additions that one core does a second when it does nothing else: the peak that
/// benchmarks compare with. Counted as two operations each.
package enum Peak {
  package static func flops() -> Double {
    var best = 0.0
    for _ in 0..<5 {
      let start = ContinuousClock.now
      let products = ck_multiply_adds(4_000_000)
      best = max(best, 2 * Double(products) / ((ContinuousClock.now - start) / .seconds(1)))
    }
    return best
  }
}
