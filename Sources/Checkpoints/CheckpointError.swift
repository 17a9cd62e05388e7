/// What went wrong with a checkpoint file or its store.
package enum CheckpointError: Error, Equatable, CustomStringConvertible {
  /// The content is not what was written: torn, truncated or changed.
  case damaged(file: String, reason: String)
  case missing(file: String)
  /// The store itself is not there, or a file in it cannot be read now: not mounted, no permission.
  /// Nothing is known to be lost.
  case away(store: String, reason: String)
  /// The store could not take a file: a full disk, a permission.
  case cannotWrite(file: String, reason: String)
  case cannotOpen(store: String, reason: String)

  package var description: String {
    switch self {
    case .damaged(let file, let reason): "checkpoint \(file) is damaged: it \(reason)"
    case .missing(let file): "checkpoint \(file) is missing"
    case .away(let store, let reason): "the checkpoint store \(store) cannot be used now: \(reason)"
    case .cannotWrite(let file, let reason): "cannot write checkpoint \(file): \(reason)"
    case .cannotOpen(let store, let reason):
      "cannot open the checkpoint store \(store): \(reason); give another one with --checkpoints"
    }
  }
}
