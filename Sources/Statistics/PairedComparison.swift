/// Two schedules compared over the seeds that both have: runs of one seed start from the same
/// network and see the same order of samples, so their difference scatters less than either.
package struct PairedComparison: Equatable, Sendable {
  /// In both, ascending.
  package let seeds: [Int]
  package let onlySubject: [Int]
  package let onlyReference: [Int]
  /// Subject minus reference, seed by seed.
  package let differences: Summary
  /// The mean difference with Student's t of n - 1 degrees of freedom. Nil where the differences
  /// are equal but for rounding.
  package let estimate: Estimate?

  /// Values by seed, in the same unit. A seed that only one side has is listed, never filled in.
  package init(_ subject: [Int: Double], minus reference: [Int: Double]) throws(StatisticsError) {
    let pairs = subject.compactMap { seed, value in
      reference[seed].map { (seed: seed, subject: value, reference: $0) }
    }.sorted { $0.seed < $1.seed }
    onlySubject = subject.keys.filter { reference[$0] == nil }.sorted()
    onlyReference = reference.keys.filter { subject[$0] == nil }.sorted()
    guard pairs.count >= 2, let differences = Summary(pairs.map { $0.subject - $0.reference }),
      let standardError = differences.standardError
    else {
      throw .tooFewPairs(pairs.count, onlySubject: onlySubject, onlyReference: onlyReference)
    }
    seeds = pairs.map(\.seed)
    self.differences = differences
    estimate = Estimate(
      differences.mean, standardError: standardError, df: Double(pairs.count - 1),
      magnitude: pairs.reduce(0) { max($0, abs($1.subject), abs($1.reference)) })
  }

  /// The estimate, for tests that have no meaning without one.
  func tested() throws(StatisticsError) -> Estimate {
    guard let estimate else { throw .noScatter(count: seeds.count) }
    return estimate
  }
}
