/// What went wrong with a checkpoint file or its store.
package enum CheckpointError: Error, Equatable, CustomStringConvertible {
  /// The content is not what was written: torn, truncated or changed.
  case damaged(file: String, reason: String)
  case missing(file: String)
  /// An exported file.
  case unreadable(file: String, reason: String)
  /// The store itself is not there, or a file in it cannot be read now: not mounted, no permission.
  /// Nothing is known to be lost.
  case away(store: String, reason: String)
  /// The store could not take a file: a full disk, a permission.
  case cannotWrite(file: String, reason: String)
  case cannotOpen(store: String, reason: String)

  /// `its` is the queue that the store serves; nil where an earlier version made it for one unknown.
  case ofAnotherQueue(store: String, its: String?, asked: String)
  /// The folder was a store of the queue's, and is one no more.
  case lost(store: String, id: String, checkpoints: Int)

  package var description: String {
    switch self {
    case .damaged(let file, let reason): "checkpoint \(file) is damaged: it \(reason)"
    case .unreadable(let file, let reason): "cannot read \(file): \(reason)"
    case .missing(let file): "checkpoint \(file) is missing"
    case .away(let store, let reason): "the checkpoint store \(store) cannot be used now: \(reason)"
    case .cannotWrite(let file, let reason): "cannot write checkpoint \(file): \(reason)"
    case .cannotOpen(let store, let reason):
      "cannot open the checkpoint store \(store): \(reason); give another one with --checkpoints"
    case .ofAnotherQueue(let store, let its?, let asked):
      "the checkpoint store \(store) is of queue \(its), and this is queue \(asked); give another folder "
        + "with --checkpoints, or the other queue's database with --database; if that queue is gone for "
        + "good, remove the folder. Where checkpoints of this queue were in it, jobctl fsck "
        + "--forget-store has them trained again"
    case .ofAnotherQueue(let store, nil, let asked):
      "the checkpoint store \(store) holds checkpoints that an earlier version wrote and that queue "
        + "\(asked) does not know: they are another queue's; give another folder with --checkpoints"
    case .lost(let store, let id, let checkpoints):
      "the folder \(store) was the checkpoint store \(id), in which \(checkpoints) checkpoints of this "
        + "queue count, and is it no more; mount or restore it, or, if it is gone for good, run "
        + "jobctl fsck --forget-store \(id)"
    }
  }
}
