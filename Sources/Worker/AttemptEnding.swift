/// How an attempt ended.
package enum AttemptEnding: Sendable, CustomStringConvertible {
  case finished
  /// Checkpointed and given back at this sample.
  case drained(samples: Int)
  /// Given back untrained, or as far as its last checkpoint: data, a store or room are not there, or the
  /// stage is another version's.
  case heldBack(String)
  /// The queue said in time that the stage is no longer this worker's.
  case abandoned
  /// The queue refused the write that ends it: a newer attempt has the stage.
  case lost
  case diverged(String)
  case failed(String)
  /// The checkpoint that it would have gone on from cannot be used.
  case damaged(String)
  /// The queue does not know how it ended.
  case unrecorded(String)

  /// The label of `jobctl_stages_ended_total`.
  package enum Kind: String, CaseIterable, Sendable {
    case finished, drained, held, abandoned, lost, diverged, failed, damage, unrecorded
  }

  package var kind: Kind {
    switch self {
    case .finished: .finished
    case .drained: .drained
    case .heldBack: .held
    case .abandoned: .abandoned
    case .lost: .lost
    case .diverged: .diverged
    case .failed: .failed
    case .damaged: .damage
    case .unrecorded: .unrecorded
    }
  }

  package var description: String {
    switch self {
    case .finished: "finished"
    case .drained(let samples): "drained at sample \(samples)"
    case .heldBack(let reason): "held back: \(reason)"
    case .abandoned: "abandoned: the stage is no longer ours"
    case .lost: "lost: a newer attempt has the stage"
    case .diverged(let reason): "diverged: \(reason)"
    case .failed(let reason): "failed: \(reason)"
    case .damaged(let reason): "damage reported: \(reason)"
    case .unrecorded(let reason): "not recorded: \(reason)"
    }
  }
}
