import Tensors

/// The order of training samples as a function of the sample clock: each epoch is a permutation of
/// its own, and the stream runs on across epochs. No state, but the last epochs' permutations cached.
package struct SampleStream {
  private let count: Int
  private let random: Philox
  private var permutations: [Int: [Int32]] = [:]

  package init(seed: Int, count: Int) {
    precondition(count > 0, "a stream over \(count) samples")
    self.count = count
    random = Philox(seed: seed, purpose: .shuffle)
  }

  /// The draws at these points of the sample clock.
  package mutating func draws(_ clock: Range<Int>) -> [(epoch: Int, index: Int)] {
    clock.map { position in
      let epoch = position / count
      return (epoch, Int(permutation(epoch)[position % count]))
    }
  }

  private mutating func permutation(_ epoch: Int) -> [Int32] {
    if let known = permutations[epoch] { return known }
    let fresh = random.permutation(of: count, stream: UInt32(epoch))
    // A ghost batch spans two epochs at most (or is larger than the data).
    permutations = permutations.filter { $0.key >= epoch - 1 }
    permutations[epoch] = fresh
    return fresh
  }
}
