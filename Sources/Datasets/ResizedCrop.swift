import Experiments
import Tensors
import Values

/// Augmentation of a photograph, as in the papers on ImageNet. Training crops a part of random area and
/// aspect ratio, resizes it to the network's input, mirrors it, and changes its colours on request. The
/// run's seed, the epoch and the sample decide all of that.
package struct ResizedCrop: Hashable, Sendable {
  /// Whether crops are random; else training sees what testing sees.
  let isRandom: Bool
  /// The smallest share of the area that a random crop has.
  let area: Rational
  let flip: Bool
  /// Factors of brightness, contrast and saturation are drawn from 1 - jitter to 1 + jitter.
  let jitter: Rational
  /// The part of the shorter side that testing sees, in the middle.
  let middle: Rational

  private static let crop = DocumentField.flag(
    "resized_crop", default: true,
    "image-folder: random crops of an aspect ratio of 3/4 to 4/3, resized")
  private static let area = DocumentField.number(
    "crop_area", .from(0.01, to: 1), default: "0.08",
    "image-folder: the smallest share of the area that a random crop has")
  private static let flip = DocumentField.flag(
    "flip", "Random horizontal flip")
  private static let jitter = DocumentField.number(
    "jitter", .from(0, to: 1), default: "0",
    "image-folder: brightness, contrast and saturation change by up to this share")

  static let field = ObjectShape.Field(
    PictureAugmentation.key,
    .object(ObjectShape(fields: [crop.field, area.field, flip.field, jitter.field])),
    "Augmentation of training pictures; none by default.")

  static let middle = DocumentField.number(
    "test_crop", .from(0.1, to: 1), default: "0.875",
    "image-folder: the part of the shorter side that testing sees, in the middle")

  package init(_ node: JSON?, middle: Rational = ResizedCrop.middle.value(in: .null)) {
    let node = node ?? .null
    self.middle = middle
    area = ResizedCrop.area.value(in: node)
    isRandom = !node.isNull && ResizedCrop.crop.value(in: node)
    flip = ResizedCrop.flip.value(in: node)
    jitter = ResizedCrop.jitter.value(in: node)
  }

  init(_ spec: DatasetSpec) {
    self.init(
      spec[PictureAugmentation.key], middle: ResizedCrop.middle.value(in: .object(spec.members)))
  }

  /// The members of a description's `augment`, as digests have them.
  static func members(
    of node: JSON, of kind: String, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    PictureAugmentation.refuseForeign(
      node, own: [crop.key, area.key, flip.key, jitter.key], of: kind, at: path, problems: &problems
    )
    return ResizedCrop(node[PictureAugmentation.key]).members
  }

  var isNone: Bool { !isRandom && !flip && jitter == .zero }

  var members: [JSON.Member] {
    guard !isNone else { return [] }
    return PictureAugmentation.member([
      ResizedCrop.crop.member(isRandom), ResizedCrop.area.member(area),
      ResizedCrop.flip.member(flip),
      ResizedCrop.jitter.member(jitter),
    ])
  }

  /// How a picture becomes an input.
  package struct Draw: Equatable {
    package var box: PictureFile.Box
    package var isMirrored = false
    /// Brightness, contrast and saturation in units of 1/65536, and in which order; nil where colours stay.
    package var colours: (factors: [Int32], order: [Int32])?

    package static func == (a: Draw, b: Draw) -> Bool {
      a.box == b.box && a.isMirrored == b.isMirrored
        && a.colours?.factors == b.colours?.factors && a.colours?.order == b.colours?.order
    }
  }

  /// For tests: the middle of the picture, by default 7/8 of its shorter side (224 of 256 pixels, at every
  /// size).
  package func middle(of size: PictureFile.Size) -> Draw {
    Draw(box: .init(middle: middle.double, of: size))
  }

  /// For training, in an epoch.
  package func draw(
    _ sample: Int, epoch: Int, _ size: PictureFile.Size, _ random: Philox
  ) -> Draw {
    guard !isNone else { return middle(of: size) }
    // Streams of an epoch: 16 of each, so that tries and colours have numbers of their own.
    func words(_ stream: Int) -> SIMD4<UInt32> {
      random.words(UInt64(sample), stream: UInt32(truncatingIfNeeded: 16 * epoch + stream))
    }
    var draw = middle(of: size)
    if isRandom {
      draw.box =
        (0..<ResizedCrop.tries).lazy.compactMap { box(of: size, words($0)) }.first
        ?? ResizedCrop.largest(of: size)
    }
    let last = words(15)
    draw.isMirrored = flip && last[0] & 1 == 1
    if jitter != .zero {
      let share = jitter.double
      let factors = words(14)
      let order = Int(last[1] % 6)
      draw.colours = (
        (0..<3).map { Int32(65536 * (1 + share * (2 * ResizedCrop.uniform(factors[$0]) - 1))) },
        ResizedCrop.orders[order]
      )
    }
    return draw
  }

  private static let orders: [[Int32]] = [
    [0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0],
  ]

  /// As many as torchvision's RandomResizedCrop has.
  private static let tries = 10

  private static func uniform(_ word: UInt32) -> Double { Double(word) * 0x1p-32 }

  /// A box of a uniform share of the area, with a logarithmically uniform aspect ratio from 3/4 to 4/3; nil
  /// where it does not fit the picture.
  private func box(of size: PictureFile.Size, _ words: SIMD4<UInt32>) -> PictureFile.Box? {
    func uniform(_ word: UInt32) -> Double { ResizedCrop.uniform(word) }
    let least = self.area.double
    let area = Double(size.width * size.height) * (least + (1 - least) * uniform(words[0]))
    let ratio = ResizedCrop.exponential(ResizedCrop.logOfFourThirds * (2 * uniform(words[1]) - 1))
    let width = Int((area * ratio).squareRoot().rounded())
    let height = Int((area / ratio).squareRoot().rounded())
    guard (1...size.width).contains(width), (1...size.height).contains(height) else { return nil }
    func place(_ word: UInt32, _ room: Int) -> Int { Int(UInt64(word) * UInt64(room + 1) >> 32) }
    return .init(
      x: place(words[2], size.width - width), y: place(words[3], size.height - height),
      width: width, height: height)
  }

  /// The largest box in the middle whose aspect ratio is allowed.
  private static func largest(of size: PictureFile.Size) -> PictureFile.Box {
    let (width, height) = (
      min(size.width, max(1, (4 * size.height + 1) / 3)),
      min(size.height, max(1, (4 * size.width + 1) / 3))
    )
    return .init(
      x: (size.width - width) / 2, y: (size.height - height) / 2, width: width, height: height)
  }

  private static let logOfFourThirds = 0.28768207245178096

  /// e to the power of a number near 0, by its series: sums and products have the same bits everywhere, and
  /// the C library's exp() need not.
  private static func exponential(_ x: Double) -> Double {
    var (term, sum) = (1.0, 1.0)
    for n in 1...16 {
      term *= x / Double(n)
      sum += term
    }
    return sum
  }
}
