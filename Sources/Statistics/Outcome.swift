/// What came of a run. Only a run that trained has a value, so none can be made up for another.
package enum Outcome: Equatable, Sendable {
  case finished(Double)
  /// Trained to its end, with a test accuracy that is not above that of guessing (`Guessing`).
  case collapsed
  /// A loss, a gradient or the value was no longer finite.
  case diverged
  /// Ended by a fault that says nothing about its learning rate or its schedule.
  case failed
  /// Wanted, and not there yet.
  case missing

  package var value: Double? {
    if case .finished(let value) = self { value } else { nil }
  }
}

/// Outcomes counted, and the values of the runs that trained. Every run is in one of the counts.
package struct OutcomeSummary: Equatable, Sendable {
  package let finished: Int
  package let collapsed: Int
  package let diverged: Int
  package let failed: Int
  package let missing: Int
  /// Of the runs that trained; nil where none did.
  package let values: Summary?

  package init(_ outcomes: [Outcome]) {
    let values = outcomes.compactMap(\.value)
    finished = values.count
    collapsed = outcomes.count { $0 == .collapsed }
    diverged = outcomes.count { $0 == .diverged }
    failed = outcomes.count { $0 == .failed }
    missing = outcomes.count { $0 == .missing }
    self.values = Summary(values)
  }

  /// The runs that trained, of all that were wanted.
  package var trained: Proportion {
    Proportion(finished, of: finished + collapsed + diverged + failed + missing)
  }
}
