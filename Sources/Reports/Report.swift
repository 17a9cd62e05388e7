import Statistics

/// One grid or several by settings: what each reached, with intervals, and how they compare. Pure: made
/// of what `GridReport` has read.
package struct Report: Sendable {
  package struct Options: Sendable {
    /// How much accuracy counts as the same, as a share.
    package var margin: Double
    package var interval = IntervalMethod.student

    /// Half a point.
    package static let defaultMargin = 0.005

    package init(margin: Double = defaultMargin, interval: IntervalMethod = .student) {
      self.margin = margin
      self.interval = interval
    }
  }

  package enum IntervalMethod: String, CaseIterable, Sendable { case student, bootstrap }

  package let grids: [GridReport]
  package let options: Options
  package let settings: [SettingResult]
  /// What settings of a grid differ in: "schedule", say; nil where nothing but the rate varies.
  package let axis: String?
  /// By that axis and then, of several grids, by the grid.
  package let groups: [Group]
  package let comparisons: [Comparison]
  package let breaks: [RateBreak]
  /// One for each data set.
  package let bests: [BestSetting]

  /// Settings on the same data that are alike but for an axis.
  package struct Group: Sendable {
    package let axis: String
    package let label: String
    /// Places in `settings`.
    package let arms: [Int]
    /// The test that all arms are equivalent; nil where nothing is to be compared.
    package fileprivate(set) var equivalence: Result<GroupEquivalence, Refusal>?
  }

  /// Why nothing is said of a group's equivalence.
  package struct Refusal: Error, Sendable { package let reason: String }

  package struct GroupEquivalence: Sendable {
    package let all: IntersectionUnion
    /// Place of a comparison whose simultaneous interval lies wholly outside of the margin.
    package let differentPair: Int?
    /// Corrected by Holm over the report's groups: within a group nothing needs to be.
    package fileprivate(set) var adjustedP: Double

    /// Pairs that were tested.
    package var tests: Int { all.tests.count }
    package var isShown: Bool { adjustedP < all.tests[0].alpha && all.verdict == .equivalent }
  }

  /// Settings that are alike but for the learning rate.
  package struct RateBreak: Sendable {
    package let label: String
    package let settings: [SettingResult]
    package let result: Result<LearningRateBreak, StatisticsError>

    /// Runs that are not over.
    package var missing: Int { settings.reduce(0) { $0 + $1.outcomes.missing } }
  }

  package init(_ grids: [GridReport], options: Options) {
    self.grids = grids
    self.options = options
    let keys = grids.count > 1 ? Report.keys(of: grids) : nil
    let settings = grids.flatMap { $0.settings(interval: options.interval, filling: keys) }
    self.settings = settings
    axis = Report.axis(of: settings, grids.count)
    let found =
      Report.groups(of: settings, axis: axis, isWithin: true)
      + (grids.count > 1 ? Report.groups(of: settings, axis: "grid", isWithin: false) : [])
    // The verdict counts the groups of which no run has trained yet.
    let begun = found.filter { $0.arms.contains { settings[$0].outcomes.values != nil } }
    let compared = begun.flatMap { group in
      Report.pairs(of: group.arms).map { reference, subject in
        Comparison(
          subject: subject, reference: reference, axis: group.axis, settings: settings,
          grids: grids, margin: options.margin)
      }
    }
    let comparisons = Comparison.corrected(compared)
    self.comparisons = comparisons
    groups = Report.corrected(
      found.map { group in
        var group = group
        group.equivalence = Report.equivalence(of: group, settings, comparisons)
        return group
      })
    breaks = Report.breaks(of: settings, margin: options.margin)
    bests = Report.grouped(Array(settings.indices), by: { settings[$0].dataset }).compactMap {
      BestSetting(among: $0.values, of: settings, grids: grids, margin: options.margin)
    }
  }

  // MARK: - What is compared with what

  /// Labels of any of the grids, in their order.
  private static func keys(of grids: [GridReport]) -> [String] {
    var keys: [String] = []
    for grid in grids {
      for key in SettingResult.labels(of: grid.runs.first).map(\.key) where !keys.contains(key) {
        keys.append(key)
      }
    }
    return keys
  }

  /// Labels whose values differ among settings, in file order.
  private static func varying(_ settings: [SettingResult]) -> [String] {
    var keys: [String] = []
    for key in settings.flatMap({ $0.labels.map(\.key) }) where !keys.contains(key) {
      if Set(settings.map { $0[key] ?? "" }).count > 1 { keys.append(key) }
    }
    return keys
  }

  /// What varies within one of the grids, whichever.
  private static func axis(of settings: [SettingResult], _ grids: Int) -> String? {
    let keys =
      grids == 1
      ? varying(settings)
      : Dictionary(grouping: settings, by: \.grid).sorted { $0.key < $1.key }
        .flatMap { varying($0.value) }
    return ["schedule", "variant", "optimizer"].first { keys.contains($0) }
      ?? keys.first { $0 != "learning_rate" }
  }

  private static func groups(
    of settings: [SettingResult], axis: String?, isWithin: Bool
  ) -> [Group] {
    guard let axis else { return [] }
    // Accuracies on different data are different quantities.
    let found = grouped(Array(settings.enumerated())) {
      $0.element.label(without: [axis]) + "\n" + $0.element.dataset
    }
    return found.compactMap { _, arms in
      guard isWithin || arms.count > 1 else { return nil }
      return Group(
        axis: axis, label: arms[0].element.label(without: [axis]), arms: arms.map(\.offset))
    }
  }

  /// What has a key in common, in the order of the first of each.
  static func grouped<Value>(
    _ values: [Value], by key: (Value) -> String
  ) -> [(key: String, values: [Value])] {
    var order: [String] = []
    var found: [String: [Value]] = [:]
    for value in values {
      let key = key(value)
      if found[key] == nil { order.append(key) }
      found[key, default: []].append(value)
    }
    return order.map { ($0, found[$0] ?? []) }
  }

  /// Each with each, of few arms; of many, each with the first.
  private static func pairs(of arms: [Int]) -> [(reference: Int, subject: Int)] {
    guard arms.count <= mostArms else { return arms.dropFirst().map { (arms[0], $0) } }
    return arms.enumerated().flatMap { place, first in
      arms[(place + 1)...].map { (first, $0) }
    }
  }

  /// Without those that are the same training as an earlier one.
  private static func distinct(_ arms: [Int], _ settings: [SettingResult]) -> [Int] {
    arms.enumerated().filter { place, arm in
      !arms[..<place].contains { settings[arm].isSameTraining(as: settings[$0]) }
    }.map(\.element)
  }

  /// Each is compared with each of no more arms than these.
  private static let mostArms = 6

  /// Uses only comparisons that the table prints, so that a reader can check the claim about a group.
  private static func equivalence(
    of group: Group, _ settings: [SettingResult], _ comparisons: [Comparison]
  ) -> Result<GroupEquivalence, Refusal>? {
    let arms = distinct(group.arms, settings)
    guard arms.count > 1 else { return nil }
    guard group.arms.count <= mostArms else {
      return .failure(Refusal(reason: "\(group.arms.count) arms are more than \(mostArms)"))
    }
    for arm in arms where !settings[arm].isComplete {
      return .failure(
        Refusal(reason: "of \(settings[arm].label) only \(settings[arm].counts) runs trained"))
    }
    let places = comparisons.indices.filter { place in
      let pair = comparisons[place]
      return pair.axis == group.axis && arms.contains(pair.subject) && arms.contains(pair.reference)
    }
    var tests: [Equivalence] = []
    for place in places {
      switch (comparisons[place].equivalence, comparisons[place].test) {
      case (let equivalence?, _): tests.append(equivalence)
      case (nil, .failure(let reason)): return .failure(Refusal(reason: reason.description))
      case (nil, .success(let test)):
        return .failure(
          Refusal(
            reason: test.estimate == nil
              ? "all differences of a pair are equal but for rounding" : "a pair shares no seeds"))
      }
    }
    do throws(StatisticsError) {
      let all = try IntersectionUnion(tests)
      return .success(
        GroupEquivalence(
          all: all, differentPair: places.first { comparisons[$0].isDifferent }, adjustedP: all.p))
    } catch {
      return .failure(Refusal(reason: error.description))
    }
  }

  /// Each group's claim corrected for there being so many of them.
  private static func corrected(_ groups: [Group]) -> [Group] {
    var groups = groups
    let tested = groups.indices.compactMap { place -> (Int, GroupEquivalence)? in
      guard case .success(let test) = groups[place].equivalence else { return nil }
      return (place, test)
    }
    for ((place, test), p) in zip(tested, Holm(tested.map(\.1.all.p)).adjusted) {
      var test = test
      test.adjustedP = p
      groups[place].equivalence = .success(test)
    }
    return groups
  }

  private static func breaks(of settings: [SettingResult], margin: Double) -> [RateBreak] {
    // One seed says nothing of where a rate breaks.
    guard settings.contains(where: { $0.runs.count > 1 }) else { return [] }
    return grouped(settings, by: { $0.label(without: ["learning_rate"]) }).compactMap {
      label, line in
      guard Set(line.map(\.learningRate)).count > 1 else { return nil }
      let runs = Dictionary(
        line.map { ($0.learningRate, $0.sweepRuns) }, uniquingKeysWith: { first, _ in first })
      let hasValidation = line.allSatisfy { $0.runs.allSatisfy { $0.hasValidationIfTrained } }
      do throws(StatisticsError) {
        let found = try LearningRateBreak(
          runs, choosingOn: hasValidation ? .validation : .test, margin: margin)
        return RateBreak(label: label, settings: line, result: .success(found))
      } catch {
        return RateBreak(label: label, settings: line, result: .failure(error))
      }
    }
  }
}

extension GridReport.RunRow {
  fileprivate var hasValidationIfTrained: Bool {
    outcome.value == nil || validationAccuracy != nil
  }
}

extension Report {
  /// Settings that may be compared by cost: those that train as many samples, but for what their last
  /// batches reach beyond the last epoch.
  package var budgets: [(samples: ClosedRange<Int>, settings: [SettingResult])] {
    var budgets: [(samples: ClosedRange<Int>, settings: [SettingResult])] = []
    let trained = settings.filter { $0.outcomes.values != nil && $0.samples > 0 }
    for setting in trained.sorted(by: { $0.samples < $1.samples }) {
      if let last = budgets.indices.last,
        Double(setting.samples) <= 1.01 * Double(budgets[last].samples.lowerBound)
      {
        budgets[last].samples = budgets[last].samples.lowerBound...setting.samples
        budgets[last].settings.append(setting)
      } else {
        budgets.append((setting.samples...setting.samples, [setting]))
      }
    }
    return budgets
  }
}
