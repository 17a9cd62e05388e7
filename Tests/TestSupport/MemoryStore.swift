import Checkpoints
import Foundation
import Synchronization
import Values

/// A store in memory, for tests. It can be taken away and brought back.
package final class MemoryStore: CheckpointStore {
  private struct State {
    var files: [String: (bytes: [UInt8], modified: Date)] = [:]
    var isAway = false
  }

  package let id: String
  package let path = "memory"
  private let state = Mutex(State())

  package init(id: String = UUID().uuidString.lowercased()) { self.id = id }

  package func takeAway(_ isAway: Bool = true) { state.withLock { $0.isAway = isAway } }

  /// Puts other bytes in a file's place, behind the store's back.
  package func damage(_ file: String, _ change: (inout [UInt8]) -> Void) {
    state.withLock { state in
      guard var found = state.files[file] else { return }
      change(&found.bytes)
      state.files[file] = found
    }
  }

  package func check() throws(CheckpointError) {
    guard !state.withLock({ $0.isAway }) else {
      throw .away(store: path, reason: "it was taken away")
    }
  }

  package func put(
    _ file: String, _ content: (CheckpointSink) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    precondition(isValidName(file), "a checkpoint named \(file)")
    try check()
    var bytes: [UInt8] = []
    try content { piece throws(CheckpointError) in bytes.append(contentsOf: piece) }
    state.withLock { $0.files[file] = (bytes, Date()) }
  }

  package func get(_ file: String) throws(CheckpointError) -> [UInt8] {
    try check()
    guard let found = state.withLock({ $0.files[file]?.bytes }) else { throw .missing(file: file) }
    return found
  }

  package func size(of file: String) throws(CheckpointError) -> Int? {
    try check()
    return state.withLock { $0.files[file]?.bytes.count }
  }

  package func entries() throws(CheckpointError) -> [StoreEntry] {
    try check()
    return state.withLock { state in
      state.files.sorted { $0.key < $1.key }.map {
        StoreEntry(file: $0.key, bytes: $0.value.bytes.count, modified: $0.value.modified)
      }
    }
  }

  @discardableResult package func remove(_ file: String) -> Bool {
    state.withLock { !$0.isAway && $0.files.removeValue(forKey: file) != nil }
  }
}
