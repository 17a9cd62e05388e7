import Experiments
import Tensors

/// Gives a trainer its batches as the network's input, wherever the samples are: a pure function of the
/// seed and the place in training. Samples in memory are written when they are asked for; pictures in
/// files are decoded ahead (`PictureFeed`).
package final class BatchReader {
  private let dataset: Dataset
  private let seed: Int
  private let ghost: Int
  private let threads: Int
  private var stream: SampleStream
  private var feed: PictureFeed?

  /// `ghost` is the number of samples that training asks for at a time, `threads` the most that decode ahead.
  package init(_ dataset: Dataset, seed: Int, ghost: Int, threads: Int) {
    self.dataset = dataset
    self.seed = seed
    self.ghost = ghost
    self.threads = threads
    stream = SampleStream(seed: seed, count: dataset.trainIndices.count)
  }

  deinit { feed?.close() }

  /// Writes the training samples at these points of the sample clock, and returns their labels.
  package func training(
    _ out: FloatPointer, from clock: Int, team: Team
  ) throws(DatasetError) -> [Int32] {
    let draws = stream.draws(clock..<clock + ghost)
    guard case .pictures(let files) = dataset.train.storage else {
      return dataset.writeTraining(out, draws, seed: seed, team: team)
    }
    let feed = self.feed ?? begin(files)
    self.feed = feed
    // The clock at its beginning names a batch.
    let pixels = try feed.take(clock, team: team)
    dataset.normalize(out, pixels, count: ghost, team: team)
    feed.release(clock)
    return draws.map { dataset.train.labels[Int(dataset.trainIndices[$0.index])] }
  }

  private func begin(_ files: PictureFolder) -> PictureFeed {
    var stream = stream
    let (ghost, indices) = (ghost, dataset.trainIndices)
    return PictureFeed(files, most: ghost, step: ghost, seed: seed, threads: threads) { clock in
      stream.draws(clock..<clock + ghost).map {
        .init(sample: Int(indices[$0.index]), epoch: $0.epoch)
      }
    }
  }

  /// Goes through samples as tests see them, so many at a time.
  package func inOrder(
    _ samples: Samples, _ indices: [Int32], by most: Int
  ) -> InOrder { InOrder(dataset, samples, indices, most, threads) }

  package final class InOrder {
    private let dataset: Dataset
    private let samples: Samples
    private let indices: [Int32]
    private let most: Int
    private let feed: PictureFeed?

    fileprivate init(
      _ dataset: Dataset, _ samples: Samples, _ indices: [Int32], _ most: Int, _ threads: Int
    ) {
      (self.dataset, self.samples, self.indices, self.most) = (dataset, samples, indices, most)
      if case .pictures(let files) = samples.storage {
        feed = PictureFeed(files, most: most, step: most, seed: 0, threads: threads) { start in
          guard start < indices.count else { return nil }
          return indices[start..<min(start + most, indices.count)].map {
            .init(sample: Int($0), epoch: nil)
          }
        }
      } else {
        feed = nil
      }
    }

    deinit { feed?.close() }

    /// Writes the samples from this place on, and returns their labels.
    package func write(
      _ out: FloatPointer, from start: Int, team: Team
    ) throws(DatasetError) -> [Int32] {
      let chosen = Array(indices[start..<min(start + most, indices.count)])
      guard let feed else { return dataset.write(out, samples, chosen, team: team) }
      let pixels = try feed.take(start, team: team)
      dataset.normalize(out, pixels, count: chosen.count, team: team)
      feed.release(start)
      return chosen.map { samples.labels[Int($0)] }
    }
  }
}
