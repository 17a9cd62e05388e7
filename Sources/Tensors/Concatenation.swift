import CKernels

/// Values of the same pixels side by side, channel by channel, as they are seen.
package struct Concatenation: Sendable {
  private let pixels: Int
  private let channels: [Int]
  private let total: Int

  package init(pixels: Int, channels: [Int]) {
    self.pixels = pixels
    self.channels = channels
    total = channels.reduce(0, +)
  }

  private func first(of part: Int) -> Int { channels[..<part].reduce(0, +) }

  package func forward(
    _ y: FloatPointer, _ parts: [Source], images: Int, team: Team, moments: Moments? = nil
  ) {
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      for n in cut[piece] {
        let out = y + n * pixels * total
        for (part, source) in parts.enumerated() {
          ck_view_rows(
            out + first(of: part), total, source.base + n * pixels * channels[part], channels[part],
            source.view, pixels, Int32(channels[part]))
        }
        moments?.gather(out, count: pixels, piece: piece)
      }
    }
  }

  /// The share of one part in the gradient.
  package func backward(
    _ dx: FloatPointer, part: Int, adds: Bool, dy: FloatPointer, images: Int, team: Team,
    finish: GradientFinish? = nil
  ) {
    let (own, from) = (channels[part], dy + first(of: part))
    let cut = Cut(images)
    team.run(cut.pieces) { piece, _ in
      for n in cut[piece] {
        ck_gather_rows(
          dx + n * pixels * own, from + n * pixels * total, total, pixels, own, adds ? 1 : 0)
        finish?.rows(dx, first: n * pixels, count: pixels, piece: piece)
      }
    }
  }
}
