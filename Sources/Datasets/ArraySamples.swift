import Experiments
import Tensors
import Values

/// Samples that come as one array with a label each, from whatever file: their classes, their splits, and
/// the numbers that normalize them.
struct ArraySamples {
  enum Values {
    /// [n][height][width][channels]
    case pixels(ArraySlice<UInt8>)
    /// The same, or [n][features].
    case floats([Float])
  }

  /// The file that they were read from; messages name it.
  var file: String
  var values: Values
  var labels: [Int]
  var height: Int
  var width: Int
  var channels: Int

  var size: Int { height * width * channels }
}

extension Dataset {
  /// Makes a data set of arrays. If there are no test samples, it holds out a fifth of the training samples.
  /// Each channel of pictures, and each number of vectors, is normalized by its mean and deviation over the
  /// samples that are trained on.
  init(
    _ spec: DatasetSpec, _ train: ArraySamples, _ test: ArraySamples?, digest: String
  ) throws(DatasetError) {
    if let test {
      guard (test.height, test.width, test.channels) == (train.height, train.width, train.channels)
      else {
        throw .damaged(
          file: test.file,
          reason: "has samples of \(test.height)x\(test.width)x\(test.channels), those of training "
            + "have \(train.height)x\(train.width)x\(train.channels)")
      }
    }
    let split = try ArraySplit(spec, train: train, test: test)
    let trained = try HoldOut(spec.validation, of: split.train.count).trained.map {
      split.train[Int($0)]
    }
    let classes = try split.classes(train, test)
    let names = classes.keys.sorted().map(String.init)
    func labels(_ samples: ArraySamples, _ rows: [Int32]) -> [Int32] {
      rows.map { classes[samples.labels[Int($0)]] ?? 0 }
    }
    let second = test ?? train
    let facts = DatasetFacts(
      train: split.train.count, test: split.test.count, height: train.height, width: train.width,
      channels: train.channels, classes: classes.count, digest: digest, classNames: names)
    switch (train.values, second.values) {
    case (.pixels(let pixels), .pixels(let testPixels)):
      let size = train.size
      let (mean, deviation) = ArraySamples.constants(
        pixels, trained, size: size, channels: train.channels)
      try self.init(
        spec: spec, facts: facts,
        train: Samples(
          storage: .bytes(ArraySamples.rows(pixels, split.train, size)),
          labels: labels(train, split.train)),
        test: Samples(
          storage: .bytes(ArraySamples.rows(testPixels, split.test, size)),
          labels: labels(second, split.test)),
        form: .pixels(mean: mean, deviation: deviation, crop: nil))
    case (.floats(let floats), .floats(let testFloats)):
      let scales = ArraySamples.scales(floats, trained, train)
      try self.init(
        spec: spec, facts: facts,
        train: Samples(
          storage: .floats(try train.scaled(floats, split.train, scales)),
          labels: labels(train, split.train)),
        test: Samples(
          storage: .floats(try second.scaled(testFloats, split.test, scales)),
          labels: labels(second, split.test)), form: .numbers(scales))
    default:
      throw .damaged(
        file: second.file, reason: "has elements of another type than the training samples")
    }
  }
}

/// Rows of the two splits, ascending.
private struct ArraySplit {
  let train: [Int32]
  let test: [Int32]

  init(_ spec: DatasetSpec, train: ArraySamples, test: ArraySamples?) throws(DatasetError) {
    let rows = train.labels.count
    guard rows >= 2 else { throw .damaged(file: train.file, reason: "has fewer than two samples") }
    guard let test else {
      let held = try Wanted.test(spec.test ?? max(rows / 5, 1)).count(of: rows - 1)
      let order = Philox(seed: 0, purpose: .holdOut).permutation(of: rows, stream: 0)
      self.train = order[..<(try Wanted.train(spec.train).count(of: rows - held))].sorted()
      self.test = order[(rows - held)...].sorted()
      return
    }
    guard !test.labels.isEmpty else { throw .damaged(file: test.file, reason: "has no samples") }
    self.train = Array(0..<Int32(try Wanted.train(spec.train).count(of: rows)))
    self.test = Array(0..<Int32(try Wanted.test(spec.test).count(of: test.labels.count)))
  }

  /// A number for each label, in the order of the labels.
  func classes(
    _ train: ArraySamples, _ test: ArraySamples?
  ) throws(DatasetError) -> [Int: Int32] {
    let found = Set(self.train.map { train.labels[Int($0)] })
    let most = 1 << 16
    guard (2...most).contains(found.count) else {
      throw .damaged(
        file: train.file,
        reason: "has \(found.count) different labels; there are 2 to \(most) classes")
    }
    let second = test ?? train
    for row in self.test where !found.contains(second.labels[Int(row)]) {
      throw .damaged(
        file: second.file,
        reason:
          "the class \(second.labels[Int(row)]) occurs in the test split only (sample \(row)): "
          + "leave its samples out")
    }
    return Dictionary(uniqueKeysWithValues: found.sorted().enumerated().map { ($1, Int32($0)) })
  }
}

extension ArraySamples {
  fileprivate static func rows(
    _ pixels: ArraySlice<UInt8>, _ rows: [Int32], _ size: Int
  ) -> [UInt8] {
    var chosen: [UInt8] = []
    chosen.reserveCapacity(rows.count * size)
    for row in rows {
      let start = pixels.startIndex + Int(row) * size
      chosen.append(contentsOf: pixels[start..<(start + size)])
    }
    return chosen
  }

  /// Mean and deviation of each channel, in units of a byte. Sums are whole numbers, so their order does not
  /// matter.
  fileprivate static func constants(
    _ pixels: ArraySlice<UInt8>, _ rows: [Int32], size: Int, channels: Int
  ) -> (mean: [Float], deviation: [Float]) {
    var counts = [[Int]](repeating: Array(repeating: 0, count: 256), count: channels)
    pixels.withUnsafeBufferPointer { pixels in
      for row in rows {
        for pixel in 0..<(size / channels) {
          for channel in 0..<channels {
            counts[channel][Int(pixels[Int(row) * size + pixel * channels + channel])] += 1
          }
        }
      }
    }
    var (mean, deviation) = ([Float](), [Float]())
    for values in counts {
      let count = Double(values.reduce(0, +))
      let sum = Double(values.enumerated().reduce(0) { $0 + $1.offset * $1.element })
      let average = sum / count
      let square = values.enumerated().reduce(0.0) {
        $0 + Double($1.element) * (Double($1.offset) - average) * (Double($1.offset) - average)
      }
      mean.append(Float(average))
      // A channel that is the same everywhere becomes 0.
      let spread = (square / count).squareRoot()
      deviation.append(spread > 0 ? Float(spread) : 1)
    }
    return (mean, deviation)
  }

  /// Of each number of a vector, or of each channel.
  fileprivate static func scales(
    _ floats: [Float], _ rows: [Int32], _ samples: ArraySamples
  ) -> [Standardization] {
    let (size, channels) = (samples.size, samples.channels)
    return (0..<channels).map { channel in
      let places = rows.lazy.flatMap { row in
        stride(from: Int(row) * size + channel, to: (Int(row) + 1) * size, by: channels)
      }
      // `scaled` refuses values that are not finite, and names them.
      return Standardization(over: places.map { Double(floats[$0]) }.filter(\.isFinite))
    }
  }

  fileprivate func scaled(
    _ floats: [Float], _ rows: [Int32], _ scales: [Standardization]
  ) throws(DatasetError) -> [Float] {
    var chosen: [Float] = []
    chosen.reserveCapacity(rows.count * size)
    for row in rows {
      for place in 0..<size {
        let value = floats[Int(row) * size + place]
        guard value.isFinite, let feature = scales[place % channels].feature(Double(value)) else {
          throw .damaged(
            file: file,
            reason: "sample \(row), number \(place) is \(value): "
              + (value.isFinite
                ? "too far from the samples that are trained on" : "no finite number"))
        }
        chosen.append(feature)
      }
    }
    return chosen
  }
}
