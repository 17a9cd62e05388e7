import CKernels

/// Operations on each number by itself, cut by their count.
package enum Elementwise {
  private static func each(_ count: Int, _ team: Team, _ body: (Range<Int>) -> Void) {
    let cut = Cut(count)
    team.run(cut.pieces) { piece, _ in body(cut[piece]) }
  }

  package static func relu(_ y: FloatPointer, x: FloatPointer, count: Int, team: Team) {
    each(count, team) { ck_relu(y + $0.lowerBound, x + $0.lowerBound, $0.count) }
  }

  package static func reluBackward(
    dx: FloatPointer, addToDx: Bool, dy: FloatPointer, y: FloatPointer, count: Int, team: Team
  ) {
    each(count, team) {
      let at = $0.lowerBound
      ck_relu_backward(dx + at, dy + at, y + at, $0.count, addToDx ? 1 : 0)
    }
  }

  package static func sum(
    _ y: FloatPointer, _ a: FloatPointer, _ b: FloatPointer, count: Int, team: Team
  ) {
    each(count, team) {
      ck_sum_of_two(y + $0.lowerBound, a + $0.lowerBound, b + $0.lowerBound, $0.count)
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

  package static func scale(_ y: FloatPointer, by factor: Float, count: Int, team: Team) {
    each(count, team) { ck_scale(y + $0.lowerBound, factor, $0.count) }
  }

  /// In double precision, always summed alike.
  package static func squareSum(_ x: FloatPointer, count: Int) -> Double { ck_square_sum(x, count) }
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

/// One picture's way from bytes to a network's input.
package enum Picture {
  /// Normalizes, shifts by (dy, dx) with reflection at the border, and mirrors when `flip`.
  package static func write(
    _ out: FloatPointer, image: UnsafePointer<UInt8>, height: Int, width: Int, channels: Int,
    mean: [Float], inverseDeviation: [Float], dy: Int, dx: Int, flip: Bool
  ) {
    ck_image(
      out, image, Int32(height), Int32(width), Int32(channels), mean, inverseDeviation, Int32(dy),
      Int32(dx), flip ? 1 : 0)
  }
}

/// Which kernels this machine runs: part of the numerics fingerprint.
package var kernelDescription: String {
  "\(String(cString: ck_instruction_set())), \(BLAS.description)"
}
