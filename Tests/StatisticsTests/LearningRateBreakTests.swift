import Statistics
import Testing

/// Where learning rates break, against paired tests of scipy and by what is refused.
@Suite struct LearningRateBreakTests {
  private struct Reference: Decodable {
    struct Row: Decodable {
      let rate: Double
      let finished, validation: [Int: Double]
      let collapsed, diverged, failed, missing: [Int]

      var runs: LearningRateBreak.Runs {
        var outcomes = finished.mapValues { Outcome.finished($0) }
        for seed in collapsed { outcomes[seed] = .collapsed }
        for seed in diverged { outcomes[seed] = .diverged }
        for seed in failed { outcomes[seed] = .failed }
        for seed in missing { outcomes[seed] = .missing }
        return LearningRateBreak.Runs(outcomes: outcomes, validation: validation)
      }
    }
    struct Step: Decodable {
      let rate: Double
      let finding: String
      let p: Double?
    }
    struct Case: Decodable {
      let rates: [Row]
      let selection: String
      let margin, alpha, chosen, largest: Double
      let steps: [Step]
    }
    let cases: [Case]
  }

  private typealias Runs = LearningRateBreak.Runs

  /// Finished runs of seeds 0, 1 and so on.
  private func runs(_ values: [Double]) -> Runs {
    let outcomes = values.enumerated().map { ($0, Outcome.finished($1)) }
    return Runs(outcomes: Dictionary(uniqueKeysWithValues: outcomes))
  }

  @Test("The chosen rate, the steps above it and the largest are those of scipy's tests")
  func references() throws {
    let reference: Reference = try fixture("sweeps")
    for row in reference.cases {
      let selection = try #require(LearningRateBreak.Selection(rawValue: row.selection))
      let found = try LearningRateBreak(
        Dictionary(uniqueKeysWithValues: row.rates.map { ($0.rate, $0.runs) }),
        choosingOn: selection, margin: row.margin, alpha: row.alpha)
      #expect(found.chosen == row.chosen && found.largest == row.largest)
      #expect(found.steps.map(\.rate) == row.steps.map(\.rate))
      for (step, expected) in zip(found.steps, row.steps) {
        let (name, p): (String, Double?) =
          switch step.finding {
          case .nonInferior(let test): ("nonInferior", test.p)
          case .notShown(let test): ("notShown", test.p)
          case .broken: ("broken", nil)
          case .untested: ("untested", nil)
          }
        #expect(name == expected.finding)
        if let reference = expected.p { #expect(isClose(p, reference)) }
      }
      #expect(found.end?.rate == row.steps.last { $0.finding != "nonInferior" }?.rate)
    }
  }

  @Test("One collapsed or diverged run breaks a rate, and its seed is named")
  func broken() throws {
    for outcome in [Outcome.collapsed, .diverged] {
      let higher = Runs(outcomes: [0: .finished(0.93), 1: .finished(0.94), 2: outcome])
      let found = try LearningRateBreak(
        [0.1: runs([0.93, 0.931, 0.929]), 0.2: higher], choosingOn: .test, margin: 0.01)
      #expect(found.chosen == 0.1 && found.largest == 0.1)
      #expect(found.end?.rate == 0.2 && found.end?.finding == .broken(seeds: [2]))
    }
  }

  @Test("A rate with too few pairs is untested, which ends the search")
  func untested() throws {
    let higher = Runs(outcomes: [0: .finished(0.92), 1: .failed, 2: .missing])
    let found = try LearningRateBreak(
      [0.1: runs([0.93, 0.931, 0.929]), 0.2: higher, 0.4: runs([0.93, 0.931, 0.928])],
      choosingOn: .test, margin: 0.01)
    let error = StatisticsError.tooFewPairs(1, onlySubject: [], onlyReference: [1, 2])
    #expect(found.steps.map(\.rate) == [0.2])
    #expect(found.steps.map(\.finding) == [.untested(error)])
    #expect(found.largest == 0.1)
  }

  @Test("Of equal means the lower rate is chosen")
  func equalMeans() throws {
    let found = try LearningRateBreak(
      [0.4: runs([0.75, 0.5]), 0.2: runs([0.5, 0.75])], choosingOn: .test, margin: 0.01)
    #expect(found.chosen == 0.2)
  }

  @Test("Where the sweep ends before the rates break, there is no end")
  func unbroken() throws {
    let found = try LearningRateBreak(
      [0.1: runs([0.93, 0.931, 0.929]), 0.2: runs([0.929, 0.931, 0.929])], choosingOn: .test,
      margin: 0.01)
    #expect(found.largest == 0.2 && found.end == nil)
  }

  @Test("A rate without its validation values, or a sweep without a rate to choose, is refused")
  func refused() {
    #expect(throws: StatisticsError.noValidation(rate: 0.1, seeds: [0, 1])) {
      try LearningRateBreak([0.1: runs([0.9, 0.91])], choosingOn: .validation, margin: 0.01)
    }
    let collapsed = Runs(outcomes: [0: .finished(0.9), 1: .finished(0.9), 2: .collapsed])
    #expect(throws: StatisticsError.noRateToChoose(rates: 2)) {
      try LearningRateBreak(
        [0.1: collapsed, 0.2: runs([0.9])], choosingOn: .test, margin: 0.01)
    }
    #expect(throws: StatisticsError.noMargin(-1)) {
      try LearningRateBreak([0.1: runs([0.9, 0.91])], choosingOn: .test, margin: -1)
    }
  }
}
