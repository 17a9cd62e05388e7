import Experiments

/// Fashion-MNIST (Xiao et al. 2017): four IDX files, gzip-compressed or not.
enum FashionMNIST {
  /// Of the 60,000 training pictures, in units of their bytes.
  static let mean: [Float] = [72.94]
  static let deviation: [Float] = [90.02]

  static func load(_ spec: DatasetSpec, _ folders: DataFolders) throws(DatasetError) -> Dataset {
    var parts: [[UInt8]] = []
    for (split, kind) in [
      ("train", "images-idx3"), ("train", "labels-idx1"), ("t10k", "images-idx3"),
      ("t10k", "labels-idx1"),
    ] {
      let name = "fashion-mnist/\(split)-\(kind)-ubyte"
      var file: String
      do throws(DatasetError) {
        file = try folders.find(name + ".gz", of: spec.name.rawValue)
      } catch {
        guard case .absent = error else { throw error }
        file = try folders.find(name, of: spec.name.rawValue)
      }
      // The largest file has 47,040,016 bytes.
      parts.append(try contents(of: file, limit: 64 << 20))
    }
    let digest = contentDigest(parts)
    guard digest == DatasetSpec.fashionMNISTDigest else {
      throw .differs(
        dataset: spec.name.rawValue, expected: DatasetSpec.fashionMNISTDigest, found: digest)
    }
    let (trainLimit, testLimit) = (spec.train ?? 60_000, spec.test ?? 10_000)
    let train = try samples(images: parts[0], labels: parts[1], limit: trainLimit, "train")
    let test = try samples(images: parts[2], labels: parts[3], limit: testLimit, "t10k")
    let facts = DatasetFacts(
      train: train.count, test: test.count, height: 28, width: 28, channels: 1, classes: 10,
      digest: digest)
    return Dataset(
      spec: spec, facts: facts, train: train, test: test, mean: mean, deviation: deviation)
  }

  private static func samples(
    images: [UInt8], labels: [UInt8], limit: Int, _ split: String
  ) throws(DatasetError) -> Samples {
    let pixels = try idx(images, dimensions: 3, split + " images")
    let classes = try idx(labels, dimensions: 1, split + " labels")
    guard pixels.sizes[0] == classes.sizes[0] else {
      throw .damaged(
        file: split, reason: "has \(pixels.sizes[0]) images and \(classes.sizes[0]) labels")
    }
    let count = min(limit, pixels.sizes[0])
    return Samples(
      storage: .bytes(Array(pixels.body[..<(pixels.body.startIndex + count * 784)])),
      labels: classes.body.prefix(count).map(Int32.init))
  }

  /// Reads an IDX header: two zero bytes, type 8 (bytes), the number of dimensions, their sizes.
  private static func idx(
    _ bytes: [UInt8], dimensions: Int, _ name: String
  ) throws(DatasetError) -> (sizes: [Int], body: ArraySlice<UInt8>) {
    let header = 4 + 4 * dimensions
    guard bytes.count >= header, bytes[0] == 0, bytes[1] == 0, bytes[2] == 8, bytes[3] == dimensions
    else {
      throw .damaged(file: name, reason: "is no IDX file of \(dimensions) dimensions of bytes")
    }
    let sizes = (0..<dimensions).map { d in
      (0..<4).reduce(0) { $0 << 8 | Int(bytes[4 + 4 * d + $1]) }
    }
    guard sizes.reduce(1, *) == bytes.count - header else {
      throw .damaged(file: name, reason: "does not have the size that its header says")
    }
    return (sizes, bytes[header...])
  }
}
