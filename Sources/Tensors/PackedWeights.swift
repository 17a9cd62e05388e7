import CKernels

// Weights in the order in which products read them.

/// Packs matrices [depth][columns], one a tap, for `ck_row_product`.
func pack(
  _ packed: FloatPointer, _ taps: [FloatPointer], depth: Int, columns: Int, team: Team
) {
  let cut = Cut((columns + 15) / 16)
  let taps = taps.map { UnsafePointer<Float>?($0) }
  team.run(cut.pieces) { piece, _ in
    ck_pack(
      packed, taps, Int32(taps.count), Int32(depth), Int32(columns), Int32(cut[piece].lowerBound),
      Int32(cut[piece].upperBound))
  }
}

/// out[t][c][r] = weights[taps - 1 - t][r][c].
func turnTaps(
  _ out: FloatPointer, _ weights: FloatPointer, taps: Int, rows: Int, columns: Int, team: Team
) {
  let cut = Cut(columns)
  team.run(cut.pieces) { piece, _ in
    ck_transpose_taps(
      out, weights, Int32(taps), Int32(rows), Int32(columns), Int32(cut[piece].lowerBound),
      Int32(cut[piece].upperBound))
  }
}
