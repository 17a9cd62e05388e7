import Experiments

/// CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary layout: label bytes, then 1024 bytes of
/// red, green and blue each.
enum CIFAR {
  /// Published channel means and deviations of CIFAR-10's and CIFAR-100's training pictures.
  private static let constants: [DatasetSpec.Name: (mean: [Float], deviation: [Float])] = [
    .cifar10: ([125.3, 123.0, 113.9], [63.0, 62.1, 66.7]),
    .cifar100: ([129.3, 124.1, 112.4], [68.2, 65.4, 70.4]),
  ]

  static func load(_ spec: DatasetSpec, _ folders: DataFolders) throws(DatasetError) -> Dataset {
    let hundred = spec.name == .cifar100
    let folder = hundred ? "cifar-100-binary" : "cifar-10-batches-bin"
    let trainFiles = hundred ? ["train.bin"] : (1...5).map { "data_batch_\($0).bin" }
    // CIFAR-100 has a coarse label in front of the fine one, which is the one to learn.
    let labelBytes = hundred ? 2 : 1
    func read(_ files: [String]) throws(DatasetError) -> [[UInt8]] {
      var parts: [[UInt8]] = []
      for name in files {
        let file = try folders.find("\(folder)/\(name)", of: spec.name.rawValue)
        let bytes = try contents(of: file, limit: 256 << 20)
        guard !bytes.isEmpty, bytes.count % (3072 + labelBytes) == 0 else {
          throw .damaged(file: file, reason: "is not a whole number of records")
        }
        parts.append(bytes)
      }
      return parts
    }
    let trainParts = try read(trainFiles)
    let testParts = try read([hundred ? "test.bin" : "test_batch.bin"])
    let classes = hundred ? 100 : 10
    let train = try samples(trainParts, labelBytes, classes, limit: spec.train ?? .max, folder)
    let test = try samples(testParts, labelBytes, classes, limit: spec.test ?? .max, folder)
    let facts = DatasetFacts(
      train: train.count, test: test.count, height: 32, width: 32, channels: 3, classes: classes,
      digest: contentDigest(trainParts + testParts))
    let (mean, deviation) = constants[spec.name] ?? ([], [])
    return Dataset(
      spec: spec, facts: facts, train: train, test: test, mean: mean, deviation: deviation)
  }

  private static func samples(
    _ parts: [[UInt8]], _ labelBytes: Int, _ classes: Int, limit: Int, _ folder: String
  ) throws(DatasetError) -> Samples {
    let record = 3072 + labelBytes
    var labels: [Int32] = []
    let available = parts.reduce(0) { $0 + $1.count / record }
    let count = min(limit, available)
    var pixels = [UInt8](repeating: 0, count: count * 3072)
    for part in parts {
      for start in stride(from: 0, to: part.count, by: record) where labels.count < count {
        let label = part[start + labelBytes - 1]
        guard label < classes else {
          throw .damaged(file: folder, reason: "a record has the label \(label)")
        }
        let at = labels.count * 3072
        for channel in 0..<3 {
          for pixel in 0..<1024 {
            pixels[at + pixel * 3 + channel] = part[start + labelBytes + channel * 1024 + pixel]
          }
        }
        labels.append(Int32(label))
      }
    }
    return Samples(storage: .bytes(pixels), labels: labels)
  }
}
