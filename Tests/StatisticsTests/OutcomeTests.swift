import Foundation
import Statistics
import Testing

/// What counts as which outcome, and that none is dropped.
@Suite struct OutcomeTests {
  @Test("A run whose final loss is that of guessing has collapsed")
  func collapsed() {
    let guessing = log(10.0)
    #expect(Outcome(value: 0.1, finalTrainingLoss: guessing, classes: 10) == .collapsed)
    #expect(Outcome(value: 0.1, finalTrainingLoss: 2.5, classes: 10) == .collapsed)
    let better = guessing.nextDown
    #expect(Outcome(value: 0.2, finalTrainingLoss: better, classes: 10) == .finished(0.2))
    #expect(Outcome(value: 0.5, finalTrainingLoss: 2.5, classes: 100) == .finished(0.5))
  }

  @Test("A loss or a value that is not finite is divergence")
  func diverged() {
    for wrong in [Double.nan, .infinity] {
      #expect(Outcome(value: 0.5, finalTrainingLoss: wrong, classes: 10) == .diverged)
      #expect(Outcome(value: wrong, finalTrainingLoss: 0.5, classes: 10) == .diverged)
    }
  }

  @Test("Every outcome is counted, and only runs that trained are averaged")
  func summary() {
    let summary = OutcomeSummary([
      .finished(0.5), .missing, .collapsed, .finished(0.75), .failed, .diverged, .diverged,
    ])
    #expect(summary.finished == 2 && summary.collapsed == 1 && summary.diverged == 2)
    #expect(summary.failed == 1 && summary.missing == 1)
    #expect(summary.trained == Proportion(2, of: 7))
    #expect(summary.trained.description == "2 of 7")
    #expect(summary.values == Summary([0.5, 0.75]))
  }

  @Test("Where no run trained there is no mean")
  func noneTrained() {
    #expect(OutcomeSummary([.collapsed, .missing]).values == nil)
    #expect(OutcomeSummary([]).trained.description == "0 of 0")
  }
}
