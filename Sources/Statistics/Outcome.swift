import Foundation

/// What came of a run. Only a run that trained has a value, so none can be made up for another.
package enum Outcome: Equatable, Sendable {
  case finished(Double)
  /// Trained to its end, with a final training loss of at least ln(classes): no better than
  /// guessing all classes alike.
  case collapsed
  /// A loss, a gradient or the value was no longer finite.
  case diverged
  /// Ended by a fault that says nothing about its learning rate or its schedule.
  case failed
  /// Wanted, and not there yet.
  case missing

  /// Of a run that reached its end. The loss is the mean cross-entropy in nats.
  package init(value: Double, finalTrainingLoss: Double, classes: Int) {
    precondition(classes >= 2, "\(classes) classes leave nothing to learn")
    self =
      if !value.isFinite || !finalTrainingLoss.isFinite {
        .diverged
      } else if finalTrainingLoss >= log(Double(classes)) {
        .collapsed
      } else {
        .finished(value)
      }
  }

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
