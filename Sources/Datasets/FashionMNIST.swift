import Experiments
import Values

/// Fashion-MNIST (Xiao et al. 2017): four IDX files, gzip-compressed or not.
package struct FashionMNIST: DatasetKind {
  package let name = "fashion-mnist"
  package let fields = [PictureAugmentation.field]
  package let uses: Set = [PictureAugmentation.key]

  /// SHA-256 over the four files as published, decompressed, in the order training images, training
  /// labels, test images, test labels.
  package static let digest = "14410854cf7a289477dcfc7df3f8ec24741e281cdcc425ede0d9a748ca630214"

  package func members(
    of node: JSON, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    PictureAugmentation.members(of: node, of: name, at: path, problems: &problems)
  }

  package func published(_ spec: DatasetSpec) -> DatasetFacts? {
    pictures(
      spec, train: 60_000, test: 10_000, side: 28, channels: 1, classes: 10,
      digest: FashionMNIST.digest)
  }

  package func memory(
    _ spec: DatasetSpec, _ facts: DatasetFacts
  ) -> (loaded: Int, loading: Int) { memoryOfPictures(spec, facts) }

  package func classNames(of files: [String]) -> [String]? {
    [
      "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
      "Ankle boot",
    ]
  }

  /// Of the 60,000 training pictures, in units of their bytes.
  private static let mean: [Float] = [72.94]
  private static let deviation: [Float] = [90.02]

  /// The largest file has 47,040,016 bytes.
  private static let sizeLimit = 64 << 20

  package func files(
    of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [String] {
    try IDX.files(in: name, prefix: "", of: name, folders)
  }

  package func load(
    _ spec: DatasetSpec, digest planned: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    var parts: [[UInt8]] = []
    let files = try files(of: spec, in: folders)
    for file in files {
      parts.append(try contents(of: file, limit: FashionMNIST.sizeLimit))
    }
    let digest = contentDigest(parts)
    try spec.insist(digest, is: FashionMNIST.digest)
    let train = try FashionMNIST.samples(
      images: parts[0], labels: parts[1], .train(spec.train), "train")
    let test = try FashionMNIST.samples(
      images: parts[2], labels: parts[3], .test(spec.test), "t10k")
    let facts = DatasetFacts(
      train: train.count, test: test.count, height: 28, width: 28, channels: 1, classes: 10,
      digest: digest, classNames: classNames(of: files))
    return try Dataset(
      spec: spec, facts: facts, train: train, test: test,
      form: .pixels(mean: FashionMNIST.mean, deviation: FashionMNIST.deviation, crop: nil))
  }

  private static func samples(
    images: [UInt8], labels: [UInt8], _ wanted: Wanted, _ split: String
  ) throws(DatasetError) -> Samples {
    let pixels = try IDX.parse(images, dimensions: 3, split + " images")
    let classes = try IDX.parse(labels, dimensions: 1, split + " labels")
    guard pixels.sizes == [classes.sizes[0], 28, 28], classes.body.allSatisfy({ $0 < 10 }) else {
      throw .damaged(
        file: split, reason: "is not \(classes.sizes[0]) images of 28x28 with labels below 10")
    }
    let count = try wanted.count(of: pixels.sizes[0])
    return Samples(
      storage: .bytes(Array(pixels.body.prefix(count * 784))),
      labels: classes.body.prefix(count).map(Int32.init))
  }
}
