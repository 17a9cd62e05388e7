import Statistics
import Testing

/// When a run is better than always naming the commonest class.
@Suite struct GuessingTests {
  /// scipy.stats.binom.sf(k - 1, n, p).
  @Test(arguments: [
    (10, 100, 10, 0.548_709_8), (15, 100, 10, 0.072_572_96), (20, 100, 10, 0.001_978_560_87),
    (21, 100, 10, 0.000_807_573_87), (1100, 10_000, 1000, 0.000_529_941_76),
    (0, 100, 10, 1.0), (60, 96, 30, 2.962_897_35e-10),
  ])
  func theChanceIsTheBinomialTail(correct: Int, samples: Int, commonest: Int, chance: Double) {
    let found = Guessing(samples: samples, commonest: commonest).chance(of: correct)
    #expect(abs(found / chance - 1) < 1e-5, "\(found)")
  }

  @Test func aRunAtChanceCollapsedAndOneAtTwiceChanceDidNot() {
    let guessing = Guessing(samples: 10_000, commonest: 1000)
    #expect(!guessing.isBelow(1000))
    #expect(!guessing.isBelow(1090))
    #expect(guessing.isBelow(1100))
    #expect(guessing.isBelow(2000))
  }

  @Test func itIsTheCommonestClassThatCounts() {
    let guessing = Guessing(labels: [0, 0, 0, 1, 2, 0, 1, 0])
    #expect(guessing == Guessing(samples: 8, commonest: 5))
    // Nothing beats guessing where there is one class only.
    #expect(!Guessing(samples: 100, commonest: 100).isBelow(100))
  }
}
