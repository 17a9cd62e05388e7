/// Two groups of runs that have nothing in common, compared by Welch's t test (1947): the groups
/// may differ in size and in scatter.
package struct UnpairedComparison: Equatable, Sendable {
  /// A group's values, each of a seed of its own, and the stages that its runs trained.
  package struct Group: Sendable {
    package let values: [Int: Double]
    package let stages: Set<Int>

    package init(values: [Int: Double], stages: Set<Int>) {
      self.values = values
      self.stages = stages
    }
  }

  package let subject: Summary
  package let reference: Summary
  /// Of the means, subject minus reference.
  package let difference: Double
  /// The difference with Student's t of Welch and Satterthwaite's degrees of freedom. Nil where the
  /// values of each group are equal but for rounding.
  package let estimate: Estimate?

  /// Refused where the groups share seeds or stages: a shared stage is a shared past, and a shared
  /// seed shared noise, so the difference would scatter less than the test assumes.
  package init(_ subject: Group, minus reference: Group) throws(StatisticsError) {
    let seeds = Set(subject.values.keys).intersection(reference.values.keys)
    let stages = subject.stages.intersection(reference.stages)
    guard seeds.isEmpty, stages.isEmpty else {
      throw .dependent(seeds: seeds.sorted(), stages: stages.sorted())
    }
    // In a dictionary's order, which changes from process to process, sums would differ in bits.
    func summary(_ group: Group) -> Summary? {
      Summary(group.values.sorted { $0.key < $1.key }.map(\.value))
    }
    guard let first = summary(subject), let firstError = first.standardError,
      let second = summary(reference), let secondError = second.standardError
    else { throw .tooFewValues(subject.values.count, other: reference.values.count) }
    self.subject = first
    self.reference = second
    difference = first.mean - second.mean
    let (a, b) = (firstError * firstError, secondError * secondError)
    estimate = Estimate(
      difference, standardError: (a + b).squareRoot(),
      df: (a + b) * (a + b) / (a * a / Double(first.n - 1) + b * b / Double(second.n - 1)),
      magnitude: [subject, reference].flatMap(\.values.values).reduce(0) { max($0, abs($1)) })
  }
}
