/// What a method refuses, and why: numbers that it would give there would mean nothing.
package enum StatisticsError: Error, Equatable, CustomStringConvertible {
  /// Seeds in both, and in only one of the two.
  case tooFewPairs(Int, onlySubject: [Int], onlyReference: [Int])
  case tooFewValues(Int, other: Int)
  case tooFewForBootstrap(Int)
  /// All `count` values, or differences, are equal but for rounding.
  case noScatter(count: Int)
  case dependent(seeds: [Int], stages: [Int])
  /// The values of both sides are those of the same runs.
  case identical(count: Int)
  case noMargin(Double)
  case nothingToCombine
  case differentLevels([Double])
  /// No rate has two values and no run that collapsed or diverged.
  case noRateToChoose(rates: Int)
  case noValidation(rate: Double, seeds: [Int])
  case repeatedPoint(curve: Int, samples: Int)

  package var description: String {
    switch self {
    case .tooFewPairs(let pairs, let onlySubject, let onlyReference):
      "a paired comparison needs 2 seeds that both sides have, and here are \(pairs) "
        + "(only in the first: \(onlySubject); only in the second: \(onlyReference)); add seeds"
    case .tooFewValues(let count, let other):
      "an unpaired comparison needs 2 values on each side, and here are \(count) and \(other)"
    case .tooFewForBootstrap(let count):
      "the bootstrap needs \(Bootstrap.fewestValues) values, and here are \(count): resamples of "
        + "so few scatter less than new samples would; use Student's t interval"
    case .noScatter(let count):
      "all \(count) values are equal but for rounding: their scatter is not known, and there is "
        + "no test"
    case .dependent(let seeds, let stages):
      "the groups are not independent: they share seeds \(seeds) and stages \(stages); "
        + "compare them in pairs by seed"
    case .identical(let count):
      "both sides are the same \(count) runs, trained once: there is nothing to compare"
    case .noMargin(let margin): "a margin is finite and above 0, not \(margin)"
    case .nothingToCombine: "there are no tests to combine"
    case .differentLevels(let levels):
      "tests are combined at one α, and these have \(levels); test all at the same"
    case .noRateToChoose(let rates):
      "none of \(rates) learning rates has 2 values and no run that collapsed or diverged; "
        + "sweep lower rates"
    case .noValidation(let rate, let seeds):
      "learning rate \(rate) has no validation value for seeds \(seeds); choose on test values, "
        + "and say so"
    case .repeatedPoint(let curve, let samples):
      "curve \(curve) has two values at \(samples) samples; a run counts once"
    }
  }
}
