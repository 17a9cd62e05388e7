import Experiments
import Tensors

/// The samples of one split in memory, as they are stored: bytes for pictures, floats for the rest.
package struct Samples: Sendable {
  package enum Storage: Sendable {
    /// [n][height][width][channels], 0 to 255.
    case bytes([UInt8])
    /// [n][height][width][channels], already normalized.
    case floats([Float])
    /// In files, decoded as they are wanted.
    case pictures(PictureFolder)
  }

  package let storage: Storage
  package let labels: [Int32]

  package init(storage: Storage, labels: [Int32]) {
    self.storage = storage
    self.labels = labels
  }

  package var count: Int { labels.count }
}

/// A data set, loaded: its splits, and how a sample becomes a network's input.
package struct Dataset: Sendable {
  package let facts: DatasetFacts
  /// How files become inputs, and what the classes are called.
  package let inputs: InputDescription
  package let train: Samples
  package let test: Samples
  /// Indices of the training split that are trained on, and those that are held out.
  package let trainIndices: [Int32]
  package let validationIndices: [Int32]
  private let augment: PictureAugmentation
  private let mean: [Float]
  private let inverseDeviation: [Float]

  /// `form` says how bytes are normalized; floats are already.
  init(
    spec: DatasetSpec, facts: DatasetFacts, train: Samples, test: Samples,
    form: InputDescription.Form = .plain
  ) throws(DatasetError) {
    let held = try HoldOut(spec.validation, of: train.count)
    self.facts = facts
    self.train = train
    self.test = test
    augment = PictureAugmentation(spec)
    inputs = InputDescription(
      height: facts.height, width: facts.width, channels: facts.channels,
      classes: facts.classNames ?? (0..<facts.classes).map(String.init), form: form)
    if case .pixels(let mean, let deviation, _) = form {
      self.mean = mean
      inverseDeviation = deviation.map { 1 / $0 }
    } else {
      (mean, inverseDeviation) = ([], [])
    }
    (trainIndices, validationIndices) = (held.trained, held.validation)
  }

  package var sampleSize: Int { facts.height * facts.width * facts.channels }

  /// Writes training samples with their augmentation and returns their labels. `draws` are (epoch,
  /// index into `trainIndices`) pairs.
  package func writeTraining(
    _ out: FloatPointer, _ draws: [(epoch: Int, index: Int)], seed: Int, team: Team
  ) -> [Int32] {
    let random = Philox(seed: seed, purpose: .augmentation)
    let cut = Cut(draws.count)
    team.run(cut.pieces) { piece, _ in
      for i in cut[piece] {
        let sample = Int(trainIndices[draws[i].index])
        let draw = augment.draw(sample, epoch: draws[i].epoch, random)
        write(
          out + i * sampleSize, train, sample, dy: draw.dy, dx: draw.dx, flip: draw.isFlipped)
      }
    }
    return draws.map { train.labels[Int(trainIndices[$0.index])] }
  }

  /// Writes samples as they are and returns their labels.
  package func write(
    _ out: FloatPointer, _ samples: Samples, _ indices: [Int32], team: Team
  ) -> [Int32] {
    let cut = Cut(indices.count)
    team.run(cut.pieces) { piece, _ in
      for i in cut[piece] {
        write(out + i * sampleSize, samples, Int(indices[i]), dy: 0, dx: 0, flip: false)
      }
    }
    return indices.map { samples.labels[Int($0)] }
  }

  /// Pictures of bytes, as a network takes them.
  func normalize(
    _ out: FloatPointer, _ pixels: UnsafePointer<UInt8>, count: Int, team: Team
  ) {
    let cut = Cut(count)
    team.run(cut.pieces) { piece, _ in
      for i in cut[piece] {
        Picture.write(
          out + i * sampleSize, image: pixels + i * sampleSize, height: facts.height,
          width: facts.width, channels: facts.channels, mean: mean,
          inverseDeviation: inverseDeviation, dy: 0, dx: 0, flip: false)
      }
    }
  }

  private func write(
    _ out: FloatPointer, _ samples: Samples, _ index: Int, dy: Int, dx: Int, flip: Bool
  ) {
    switch samples.storage {
    case .bytes(let bytes):
      bytes.withUnsafeBufferPointer {
        Picture.write(
          out, image: $0.baseAddress! + index * sampleSize, height: facts.height,
          width: facts.width,
          channels: facts.channels, mean: mean, inverseDeviation: inverseDeviation, dy: dy, dx: dx,
          flip: flip)
      }
    case .pictures: preconditionFailure("pictures in files are decoded by a feed")
    case .floats(let floats):
      floats.withUnsafeBufferPointer {
        let sample = $0.baseAddress! + index * sampleSize
        if (dy, dx) == (0, 0), !flip {
          out.update(from: sample, count: sampleSize)
        } else {
          Picture.write(
            out, normalized: sample, height: facts.height, width: facts.width,
            channels: facts.channels, dy: dy, dx: dx, flip: flip)
        }
      }
    }
  }
}

/// Which training samples are trained on, and which are held out for validation: a fixed choice,
/// whatever the run's seed.
struct HoldOut {
  /// Ascending.
  let trained: [Int32]
  let validation: [Int32]

  init(_ held: Int, of count: Int) throws(DatasetError) {
    guard held < count else {
      throw .tooFew(member: "validation", asked: held, available: count)
    }
    guard held > 0 else {
      (trained, validation) = ((0..<count).map(Int32.init), [])
      return
    }
    let order = Philox(seed: 0, purpose: .holdOut).permutation(of: count, stream: 1)
    trained = order[..<(count - held)].sorted()
    validation = order[(count - held)...].sorted()
  }
}
