/// The best that can be done without learning: always to name the commonest class of the test set.
///
/// This is the one place of the rule by which a run collapsed: its final test accuracy is not above
/// that of guessing. The worker applies it to every measurement, and the queue keeps the answer.
package struct Guessing: Equatable, Sendable {
  /// Test samples, and those of the commonest class.
  package let samples: Int
  package let commonest: Int

  /// The chance that a run which guesses is called better, at most. Grids have hundreds of runs.
  package static let level = 0.001

  package init(samples: Int, commonest: Int) {
    precondition(0 < commonest && commonest <= samples, "\(commonest) of \(samples) samples")
    self.samples = samples
    self.commonest = commonest
  }

  /// Counts a test set's class numbers; at least one.
  package init(labels: [Int32]) {
    var counts: [Int32: Int] = [:]
    for label in labels { counts[label, default: 0] += 1 }
    self.init(samples: labels.count, commonest: counts.values.max() ?? 0)
  }

  /// The chance of at least so many right answers, were each right with the chance of the commonest
  /// class: the upper tail of the binomial distribution, as a beta distribution has it.
  package func chance(of correct: Int) -> Double {
    guard correct > 0 else { return 1 }
    guard correct <= samples, commonest < samples else { return correct <= samples ? 1 : 0 }
    return Beta(Double(correct), Double(samples - correct + 1))
      .cumulative(Double(commonest) / Double(samples))
  }

  /// True if so many right answers are more than guessing gives, by a one-sided test at `level`.
  package func isBelow(_ correct: Int) -> Bool { chance(of: correct) < Guessing.level }
}
