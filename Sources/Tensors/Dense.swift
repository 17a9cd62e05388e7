import CKernels

/// y[n][out] = x[n][in] w[in][out] + bias.
package struct Dense: Sendable {
  package let inputs: Int
  package let outputs: Int

  package init(inputs: Int, outputs: Int) {
    self.inputs = inputs
    self.outputs = outputs
  }

  /// Numbers of one piece's share of dw and dbias.
  package var parameterCount: Int { (inputs + 1) * outputs }

  package func forward(
    _ y: FloatPointer, x: FloatPointer, weights: FloatPointer, bias: FloatPointer, images: Int,
    team: Team
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      let (n, rows) = (cut[piece].lowerBound, cut[piece].count)
      BLAS.multiply(
        into: y + n * outputs, m: rows, n: outputs, k: inputs, x + n * inputs, .plain, lda: inputs,
        weights, .plain, ldb: outputs, ldc: outputs)
      ck_add_bias(y + n * outputs, bias, rows, Int32(outputs))
    }
  }

  /// dw, directly followed by dbias, is overwritten; `partial` holds `Cut.most` times
  /// `parameterCount` numbers.
  package func backward(
    dx: FloatPointer?, addToDx: Bool, dw: FloatPointer, dy: FloatPointer, x: FloatPointer,
    weights: FloatPointer, partial: FloatPointer, images: Int, team: Team
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      let (n, rows) = (cut[piece].lowerBound, cut[piece].count)
      let part = partial + piece * parameterCount
      BLAS.multiply(
        into: part, m: inputs, n: outputs, k: rows, x + n * inputs, .transposed, lda: inputs,
        dy + n * outputs, .plain, ldb: outputs, ldc: outputs)
      ck_column_sums(part + inputs * outputs, dy + n * outputs, rows, Int32(outputs))
      if let dx {
        BLAS.multiply(
          into: dx + n * inputs, m: rows, n: inputs, k: outputs, dy + n * outputs, .plain,
          lda: outputs,
          weights, .transposed, ldb: outputs, ldc: inputs, scale: addToDx ? 1 : 0)
      }
    }
    sumParts(dw, partial, cut.pieces, count: parameterCount, team: team)
  }
}
