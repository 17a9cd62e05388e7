import Experiments
import Statistics

/// One grid or several by settings: what each reached, with intervals, and how they compare. Pure: made
/// of what `GridReport` has read.
package struct Report: Sendable {
  package struct Options: Sendable {
    /// How much accuracy counts as the same, as a share; without one nothing is called equivalent.
    package var margin: Double?
    package var interval = IntervalMethod.student

    package init(margin: Double? = nil, interval: IntervalMethod = .student) {
      self.margin = margin
      self.interval = interval
    }
  }

  package enum IntervalMethod: String, CaseIterable, Sendable { case student, bootstrap }

  package let grids: [GridReport]
  package let options: Options
  package let settings: [SettingResult]
  /// What settings of a group differ in: "schedule", say; nil where nothing but the rate varies.
  package let axis: String?
  package let groups: [Group]
  package let comparisons: [Comparison]
  package let breaks: [RateBreak]

  /// Settings that are alike but for the axis; places in `settings`.
  package struct Group: Sendable {
    package let label: String
    package let arms: [Int]
    /// Whether all arms are equivalent; nil where no margin was stated.
    package let equivalence: Result<GroupEquivalence, Refusal>?
  }

  /// Why nothing is said of a group's equivalence.
  package struct Refusal: Error, Sendable { package let reason: String }

  package struct GroupEquivalence: Sendable {
    package let all: IntersectionUnion
    /// Some pair lies wholly outside of the margin, at a level that is shared among all pairs.
    package let hasDifferentPair: Bool
  }

  /// Settings that are alike but for the learning rate.
  package struct RateBreak: Sendable {
    package let label: String
    package let result: Result<LearningRateBreak, StatisticsError>
  }

  package init(_ grids: [GridReport], options: Options) {
    self.grids = grids
    self.options = options
    var settings: [SettingResult] = []
    for grid in grids {
      var order: [String] = []
      let bySetting = Dictionary(grouping: grid.runs) { run in run.setting }
      var seen: Set<String> = []
      for run in grid.runs where seen.insert(run.setting).inserted { order.append(run.setting) }
      for name in order {
        settings.append(
          SettingResult(
            name, bySetting[name] ?? [], of: grid, severalGrids: grids.count > 1,
            interval: options.interval))
      }
    }
    self.settings = settings
    axis = Report.axis(of: settings)
    let found = Report.groups(of: settings, axis: axis)
    let compared = found.flatMap { group in
      Report.pairs(of: group.arms).map { reference, subject in
        Comparison(
          subject: subject, reference: reference, settings: settings, grids: grids,
          margin: options.margin)
      }
    }
    comparisons = Comparison.corrected(compared)
    groups = found.map { group in
      Group(
        label: group.label, arms: group.arms,
        equivalence: Report.equivalence(of: group.arms, settings, options.margin))
    }
    breaks = Report.breaks(of: settings, margin: options.margin)
  }

  // MARK: - What is compared with what

  /// Labels whose values differ among the settings, in file order.
  private static func varying(_ settings: [SettingResult]) -> [String] {
    var keys: [String] = []
    for key in settings.flatMap({ $0.labels.map(\.key) }) where !keys.contains(key) {
      if Set(settings.map { $0[key] ?? "" }).count > 1 { keys.append(key) }
    }
    return keys
  }

  private static func axis(of settings: [SettingResult]) -> String? {
    let keys = varying(settings)
    return ["grid", "schedule", "variant", "optimizer"].first { keys.contains($0) }
      ?? keys.first { $0 != "learning_rate" }
  }

  private static func groups(
    of settings: [SettingResult], axis: String?
  ) -> [(label: String, arms: [Int])] {
    guard let axis else { return [] }
    var order: [String] = []
    var arms: [String: [Int]] = [:]
    for (place, setting) in settings.enumerated() {
      let label = setting.label(without: [axis])
      if arms[label] == nil { order.append(label) }
      arms[label, default: []].append(place)
    }
    return order.map { ($0, arms[$0] ?? []) }
  }

  /// Each with each, of few arms; of many, each with the first.
  private static func pairs(of arms: [Int]) -> [(reference: Int, subject: Int)] {
    guard arms.count <= 4 else { return arms.dropFirst().map { (arms[0], $0) } }
    return arms.enumerated().flatMap { place, first in
      arms[(place + 1)...].map { (first, $0) }
    }
  }

  private static func equivalence(
    of arms: [Int], _ settings: [SettingResult], _ margin: Double?
  ) -> Result<GroupEquivalence, Refusal>? {
    guard let margin, arms.count > 1 else { return nil }
    for arm in arms where !settings[arm].isComplete {
      return .failure(
        Refusal(reason: "of \(settings[arm].label) only \(settings[arm].counts) runs trained"))
    }
    do throws(StatisticsError) {
      var pairs: [PairedComparison] = []
      for (place, first) in arms.enumerated() {
        for second in arms[(place + 1)...] {
          pairs.append(
            try PairedComparison(settings[second].values, minus: settings[first].values))
        }
      }
      var tests: [Equivalence] = []
      var hasDifferentPair = false
      for pair in pairs {
        tests.append(try Equivalence(pair, margin: margin))
        let strict = try Equivalence(pair, margin: margin, alpha: 0.05 / Double(pairs.count))
        hasDifferentPair = hasDifferentPair || strict.verdict == .notEquivalent
      }
      return .success(
        GroupEquivalence(
          all: try IntersectionUnion(tests), hasDifferentPair: hasDifferentPair))
    } catch {
      return .failure(Refusal(reason: error.description))
    }
  }

  private static func breaks(of settings: [SettingResult], margin: Double?) -> [RateBreak] {
    guard let margin else { return [] }
    var order: [String] = []
    var lines: [String: [SettingResult]] = [:]
    for setting in settings {
      let label = setting.label(without: ["learning_rate"])
      if lines[label] == nil { order.append(label) }
      lines[label, default: []].append(setting)
    }
    return order.compactMap { label in
      let line = lines[label] ?? []
      guard Set(line.map(\.learningRate)).count > 1 else { return nil }
      let runs = Dictionary(
        line.map { ($0.learningRate, $0.sweepRuns) }, uniquingKeysWith: { first, _ in first })
      let hasValidation = line.allSatisfy { $0.runs.allSatisfy { $0.hasValidationIfTrained } }
      do throws(StatisticsError) {
        let found = try LearningRateBreak(
          runs, choosingOn: hasValidation ? .validation : .test, margin: margin)
        return RateBreak(label: label, result: .success(found))
      } catch {
        return RateBreak(label: label, result: .failure(error))
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
  /// Settings that may be compared by cost: those that train the same number of samples.
  package var budgets: [(samples: Int, settings: [SettingResult])] {
    Dictionary(grouping: settings.filter { $0.outcomes.values != nil }, by: \.samples)
      .map { (samples: $0.key, settings: $0.value) }.sorted { $0.samples < $1.samples }
  }
}
