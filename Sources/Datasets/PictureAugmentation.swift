import Experiments
import Tensors
import Values

/// Augmentation of a picture in memory. Training pads the picture, crops a part of the picture's own
/// size, and mirrors it. The run's seed, the epoch and the sample decide the crop and the mirror.
struct PictureAugmentation: Hashable, Sendable {
  /// Pixels of reflection padding around a random crop of the picture's own size.
  let cropPadding: Int
  /// Mirror left and right with probability one half.
  let flip: Bool

  private static let cropPadding = DocumentField.integer(
    "crop_padding", 0...64, default: 0, "Random crop: pixels of reflection padding")
  private static let flip = DocumentField.flag("flip", "Random horizontal flip")

  static let key = "augment"

  /// The member of kinds whose samples are pictures in memory.
  static let field = ObjectShape.Field(
    key, .object(ObjectShape(fields: [cropPadding.field, flip.field])),
    "Augmentation of training pictures; none by default.")

  init(_ node: JSON?) {
    let node = node ?? .null
    cropPadding = PictureAugmentation.cropPadding.value(in: node)
    flip = PictureAugmentation.flip.value(in: node)
  }

  init(_ spec: DatasetSpec) { self.init(spec[PictureAugmentation.key]) }

  /// Members of `augment` that another kind of data has would be left out in silence.
  static func refuseForeign(
    _ node: JSON, own: [String], of kind: String, at path: String, problems: inout [Problem]
  ) {
    for member in node[key]?.members ?? [] where !own.contains(member.key) {
      problems.append(
        Problem(
          join(join(path, key), member.key),
          "does not belong to \(kind), which has \(own.joined(separator: ", "))"))
    }
  }

  /// The members of a description's `augment`, as digests have them.
  static func members(
    of node: JSON, of kind: String, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    refuseForeign(
      node, own: [cropPadding.key, flip.key], of: kind, at: path, problems: &problems)
    return PictureAugmentation(node[key]).members
  }

  var isNone: Bool { cropPadding == 0 && !flip }

  /// Nothing where nothing is done: digests say so by leaving it out.
  var members: [JSON.Member] {
    guard !isNone else { return [] }
    return PictureAugmentation.member([
      PictureAugmentation.cropPadding.member(cropPadding), PictureAugmentation.flip.member(flip),
    ])
  }

  static func member(_ members: [JSON.Member]) -> [JSON.Member] { [.init(key, .object(members))] }

  /// How a sample is moved and turned in an epoch.
  struct Draw {
    var dy = 0
    var dx = 0
    var isFlipped = false
  }

  func draw(_ sample: Int, epoch: Int, _ random: Philox) -> Draw {
    guard !isNone else { return Draw() }
    let words = random.words(UInt64(sample), stream: UInt32(epoch))
    let span = UInt32(2 * cropPadding + 1)
    return Draw(
      dy: Int(words[0] % span) - cropPadding, dx: Int(words[1] % span) - cropPadding,
      isFlipped: flip && words[2] & 1 == 1)
  }
}
