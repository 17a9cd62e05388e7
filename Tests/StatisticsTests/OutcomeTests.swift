import Statistics
import Testing

/// What counts as which outcome, and that none is dropped.
@Suite struct OutcomeTests {
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
