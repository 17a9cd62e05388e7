import Experiments
import Foundation
import Tensors
import Values

/// Pictures that exist only as a function of a seed: a smooth prototype a class, moved by up to a
/// pixel, under noise. Learnable, but not separable at once.
struct SyntheticData: DatasetKind {
  let name = "synthetic"
  let isMadeUp = true
  let uses: Set = [PictureAugmentation.key]

  private static let height = DocumentField.integer(
    "height", 1...1024, default: 8, "synthetic: pixels")
  private static let width = DocumentField.integer(
    "width", 1...1024, default: 8, "synthetic: pixels")
  private static let channels = DocumentField.integer(
    "channels", 1...64, default: 1, "synthetic: channels")
  private static let classes = DocumentField.integer(
    "classes", 2...1000, default: 10, "synthetic: classes")
  private static let noise = DocumentField.number(
    "noise", .from(0, to: 100), default: "1", "synthetic: noise over signal")
  private static let seed = DocumentField.integer(
    "seed", 0...(.max), default: 0, "synthetic: the seed of the data")

  var fields: [ObjectShape.Field] {
    [
      PictureAugmentation.field, SyntheticData.height.field, SyntheticData.width.field,
      SyntheticData.channels.field, SyntheticData.classes.field, SyntheticData.noise.field,
      SyntheticData.seed.field,
    ]
  }

  /// Pictures drawn from one smooth prototype a class, shifted and covered with noise.
  private struct Form {
    let height: Int
    let width: Int
    let channels: Int
    let classes: Int
    /// Standard deviation of the noise over that of the prototypes.
    let noise: Double
    let seed: Int

    init(_ spec: DatasetSpec) { self.init(.object(spec.members)) }

    init(_ node: JSON) {
      height = SyntheticData.height.value(in: node)
      width = SyntheticData.width.value(in: node)
      channels = SyntheticData.channels.value(in: node)
      classes = SyntheticData.classes.value(in: node)
      noise = node["noise"]?.doubleValue ?? SyntheticData.noise.fallback.double
      seed = SyntheticData.seed.value(in: node)
    }
  }

  func members(of node: JSON, at path: String, problems: inout [Problem]) -> [JSON.Member] {
    let form = Form(node)
    let (train, test) = SyntheticData.sizes(node["train"]?.intValue, node["test"]?.intValue)
    // The shape may not have been checked yet: sizes may be anything.
    let (samples, overflow) = train.addingReportingOverflow(test)
    let size = [form.width, form.channels].reduce(form.height) {
      $0.multipliedReportingOverflow(by: $1).overflow ? .max : $0 * $1
    }
    // Each class has a prototype, in double precision.
    let (rows, more) = samples.addingReportingOverflow(2 * max(0, min(form.classes, 1000)))
    if overflow || more || rows > SyntheticData.mostNumbers / max(size, 1) {
      problems.append(
        Problem(
          join(path, "train"),
          "\(train) and \(test) samples and \(form.classes) prototypes of \(size) "
            + "numbers do not fit in memory; at most \(SyntheticData.mostNumbers) numbers"))
    }
    let augmentation = PictureAugmentation.members(
      of: node, of: name, at: path, problems: &problems)
    return augmentation + [
      SyntheticData.height.member(form.height), SyntheticData.width.member(form.width),
      SyntheticData.channels.member(form.channels), SyntheticData.classes.member(form.classes),
      // In double precision: digests of made-up data have it so.
      .init("noise", .real(SyntheticData.noise.value(in: node).double)),
      SyntheticData.seed.member(form.seed),
    ]
  }

  /// Two gibibytes as floats: what is made up need not be larger.
  private static let mostNumbers = 1 << 29

  private static func sizes(_ train: Int?, _ test: Int?) -> (train: Int, test: Int) {
    (train ?? 4096, test ?? 1024)
  }

  func published(_ spec: DatasetSpec) -> DatasetFacts? {
    let form = Form(spec)
    let (train, test) = SyntheticData.sizes(spec.train, spec.test)
    return DatasetFacts(
      train: train, test: test, height: form.height, width: form.width, channels: form.channels,
      classes: form.classes,
      digest: Digest.sha256(of: "synthetic " + spec.json.encoded(sorted: true)))
  }

  func memory(_ spec: DatasetSpec, _ facts: DatasetFacts) -> (loaded: Int, loading: Int) {
    let loaded = 4 * (facts.train + facts.test) * facts.sampleSize + facts.labelBytes
    return (loaded, loaded + 8 * facts.classes * facts.sampleSize)
  }

  func files(of spec: DatasetSpec, in folders: DataFolders) throws(DatasetError) -> [String] { [] }

  func load(
    _ spec: DatasetSpec, digest: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    guard let facts = published(spec) else {
      throw .damaged(file: "synthetic", reason: "has no shape")
    }
    let shape = Form(spec)
    let random = Philox(seed: shape.seed, purpose: .syntheticData)
    let prototypes = (0..<shape.classes).map { SyntheticData.prototype($0, shape, random) }
    func samples(_ count: Int, stream: UInt32) -> Samples {
      var labels: [Int32] = []
      var values: [Float] = []
      let size = shape.height * shape.width * shape.channels
      let noise = shape.noise
      values.reserveCapacity(count * size)
      for i in 0..<count {
        let label = random.below(shape.classes, UInt64(i), stream: stream)
        let move = random.words(UInt64(i), stream: stream + 1)
        let (dy, dx) = (Int(move[0] % 3), Int(move[1] % 3))
        labels.append(Int32(label))
        for y in 0..<shape.height {
          for x in 0..<shape.width {
            for c in 0..<shape.channels {
              let (sy, sx) = ((y + dy) % shape.height, (x + dx) % shape.width)
              let signal = prototypes[label][(sy * shape.width + sx) * shape.channels + c]
              let at = (y * shape.width + x) * shape.channels + c
              let grain = random.normal(UInt64(i * size + at), stream: stream + 2)
              values.append(Float(signal + noise * grain))
            }
          }
        }
      }
      return Samples(storage: .floats(values), labels: labels)
    }
    return try Dataset(
      spec: spec, facts: facts, train: samples(facts.train, stream: 16),
      test: samples(facts.test, stream: 32))
  }

  /// A sum of three waves with random directions and phases, of unit power.
  private static func prototype(
    _ label: Int, _ shape: Form, _ random: Philox
  ) -> [Double] {
    var values: [Double] = []
    for y in 0..<shape.height {
      for x in 0..<shape.width {
        for c in 0..<shape.channels {
          var sum = 0.0
          for wave in 0..<3 {
            let counter = UInt64((label * 64 + c) * 3 + wave)
            let fy = Double(random.below(4, counter, stream: 1))
            let fx = Double(random.below(4, counter, stream: 2))
            let phase = random.uniform(counter, stream: 3)
            let angle = fy * Double(y) / Double(shape.height) + fx * Double(x) / Double(shape.width)
            sum += cos(2 * Double.pi * (angle + phase))
          }
          values.append(sum * (2.0 / 3).squareRoot())
        }
      }
    }
    return values
  }
}
