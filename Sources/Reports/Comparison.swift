import Statistics

/// Two settings compared by final test accuracy: in pairs where they have seeds in common, unpaired
/// where they have nothing in common, and otherwise not at all.
package struct Comparison: Sendable {
  /// Places among the report's settings.
  package let subject: Int
  package let reference: Int
  /// What the two differ in.
  package let axis: String
  package let test: Result<Test, StatisticsError>
  /// The test of the pairs, where every run of both settings trained.
  package let equivalence: Equivalence?
  /// Two-sided, corrected by Holm over all of the report's comparisons.
  package private(set) var adjustedP: Double?
  /// The chance that equivalence is claimed wrongly, corrected in the same way.
  package private(set) var adjustedEquivalenceP: Double?
  /// The difference's interval at 95 % for all of the report's comparisons together (Bonferroni).
  package private(set) var simultaneous: Interval?
  let margin: Double

  /// Subject minus reference.
  package var difference: Double? {
    if case .success(let test) = test { test.difference } else { nil }
  }

  /// True if it lies beyond the margin, with all comparisons allowed for.
  package var isDifferent: Bool {
    simultaneous.map { $0.low > margin || $0.high < -margin } ?? false
  }

  /// By itself, at 5 %: the 90 % interval lies within the margin. Nil where it was not tested.
  package var isEquivalent: Bool? { equivalence.map { $0.verdict == .equivalent } }

  package enum Test: Sendable {
    case paired(PairedComparison)
    case unpaired(UnpairedComparison)

    /// Subject minus reference.
    package var difference: Double {
      switch self {
      case .paired(let pairs): pairs.differences.mean
      case .unpaired(let groups): groups.difference
      }
    }

    package var estimate: Estimate? {
      switch self {
      case .paired(let pairs): pairs.estimate
      case .unpaired(let groups): groups.estimate
      }
    }

    package var words: String {
      switch self {
      case .paired(let pairs): "\(pairs.seeds.count) pairs"
      case .unpaired(let groups): "unpaired, \(groups.subject.n) and \(groups.reference.n)"
      }
    }
  }

  init(
    subject: Int, reference: Int, axis: String, settings: [SettingResult], grids: [GridReport],
    margin: Double
  ) {
    self.subject = subject
    self.margin = margin
    self.axis = axis
    self.reference = reference
    let (first, second) = (settings[subject], settings[reference])
    do throws(StatisticsError) {
      let (test, equivalence) = try Comparison.compare(first, second, grids, margin)
      self.test = .success(test)
      self.equivalence = equivalence
    } catch {
      test = .failure(error)
      equivalence = nil
    }
  }

  private static func compare(
    _ first: SettingResult, _ second: SettingResult, _ grids: [GridReport], _ margin: Double
  ) throws(StatisticsError) -> (Test, Equivalence?) {
    guard !first.isSameTraining(as: second) else { throw .identical(count: first.runs.count) }
    guard Set(first.runs.map(\.seed)).isDisjoint(with: second.runs.map(\.seed)) else {
      let pairs = try PairedComparison(first.values, minus: second.values)
      guard pairs.estimate != nil, first.isComplete, second.isComplete else {
        return (.paired(pairs), nil)
      }
      return (.paired(pairs), try Equivalence(pairs, margin: margin))
    }
    func group(_ setting: SettingResult) -> UnpairedComparison.Group {
      let trained = setting.runs.filter { $0.outcome.value != nil }
      let known = grids.first { $0.name == setting.grid }?.runStages ?? [:]
      return .init(values: setting.values, stages: Set(trained.flatMap { known[$0.id] ?? [] }))
    }
    return (.unpaired(try UnpairedComparison(group(first), minus: group(second))), nil)
  }

  /// Each p of `comparisons` corrected for there being so many of them.
  static func corrected(_ comparisons: [Comparison]) -> [Comparison] {
    let tested = comparisons.indices.compactMap { place -> (Int, Double)? in
      guard case .success(let test) = comparisons[place].test, let estimate = test.estimate else {
        return nil
      }
      return (place, estimate.twoSidedP())
    }
    var corrected = comparisons
    for ((place, _), p) in zip(tested, Holm(tested.map(\.1)).adjusted) {
      corrected[place].adjustedP = p
    }
    for (place, _) in tested {
      guard case .success(let test) = comparisons[place].test else { continue }
      corrected[place].simultaneous =
        test.estimate?.interval(
          confidence: 1 - 0.05 / Double(tested.count)
        ).ofDifferences
    }
    let claims = comparisons.indices.compactMap { place in
      comparisons[place].equivalence.map { (place, $0.p) }
    }
    for ((place, _), p) in zip(claims, Holm(claims.map(\.1)).adjusted) {
      corrected[place].adjustedEquivalenceP = p
    }
    return corrected
  }
}
