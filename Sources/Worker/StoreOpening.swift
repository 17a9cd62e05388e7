import Checkpoints
import Foundation
import Host
import JobQueue
import Postgres

/// Opens a folder as a checkpoint store of a queue. A folder that was a store of the queue's on this
/// host, and is none now, is reported lost rather than made anew: its checkpoints may come back.
package func openStore(
  _ path: String, of queue: JobQueue, for use: FolderStore.Use,
  patience: Database.Patience = .none
) async throws -> (store: any CheckpointStore, others: [StoreListing]) {
  let identity = try await queue.identity(patience: patience)
  let absolute = absolutePath(path)
  let owner = FolderStore.Owner(
    queue: identity.id, stores: Set(identity.stores.map(\.id)))
  let store = try await blocking("opening a store") { () throws(CheckpointError) in
    if try FolderStore.identity(at: path) == nil {
      let lost = identity.stores.first {
        $0.path == absolute && $0.wasOn(hostName) && $0.checkpoints > 0
      }
      if let lost {
        throw .lost(store: absolute, id: lost.id, checkpoints: lost.checkpoints)
      }
    }
    return try FolderStore(path: path, of: owner, for: use)
  }
  return (store, identity.stores.filter { $0.id != store.id && $0.checkpoints > 0 })
}

/// As the queue keeps it: the same from whichever folder a program is started.
func absolutePath(_ path: String) -> String { URL(filePath: path).standardizedFileURL.path }

/// A sentence that says that no worker can reach these checkpoints. Nil if the store's folder is on this
/// machine, or if this user cannot read it: a worker that is started here may be able to use it.
package func outOfReach(_ row: StoreOutOfReach, of queue: String) -> String? {
  let waiting =
    "\(row.stages) ready stages wait for checkpoints in store \(row.id), \(row.path) on \(row.host)"
  let advice = "if it is gone for good: jobctl fsck --forget-store \(row.id)"
  do {
    if try FolderStore.isThere(row.path, row.id, of: queue) { return nil }
    return row.host == hostName
      ? "\(waiting), and it is not there; \(advice)"
      : "\(waiting), which no worker has: start one there; \(advice)"
  } catch {
    return nil
  }
}
