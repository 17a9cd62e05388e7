import Foundation
import Values

/// A folder of checkpoint files. store.json holds its identity, so that a folder that is not mounted is told
/// from one whose files are gone. Files are written beside, synced and renamed.
package struct FolderStore: CheckpointStore {
  package let path: String
  package let id: String

  /// The queue that a store is opened for.
  package struct Owner: Sendable {
    /// Its identity.
    package let queue: String
    /// Identities of the stores that it knows. A store of an earlier version names no queue: it is the
    /// queue's that knows it, and is marked so when a command that changes files opens it first.
    package let stores: Set<String>

    package init(queue: String, stores: Set<String> = []) {
      (self.queue, self.stores) = (queue, stores)
    }
  }

  /// The command's purpose with the store.
  package enum Use: Sendable {
    /// Nothing is changed.
    case reading
    /// Files are removed.
    case changing
    /// It is made where there is none.
    case training
  }

  /// Opens a store of this queue.
  package init(path: String, of owner: Owner, for use: Use) throws(CheckpointError) {
    self.path = path
    if let found = try FolderStore.mark(of: path) {
      id = found.id
      try FolderStore.claim(found, at: path, by: owner, for: use)
      return
    }
    guard use == .training else {
      throw .cannotOpen(store: path, reason: "there is no store.json in it")
    }
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      try FolderStore.write(
        Mark(id: UUID().uuidString.lowercased(), queue: owner.queue), in: path, replacing: false)
    } catch { throw .cannotOpen(store: path, reason: "it cannot be made: \(error)") }
    // The process that was first has named it.
    guard let found = try FolderStore.mark(of: path) else {
      throw .cannotOpen(store: path, reason: "its store.json vanished")
    }
    id = found.id
    try FolderStore.claim(found, at: path, by: owner, for: use)
  }

  /// The identity of the store in a folder, whichever queue's it is; nil where there is none.
  package static func identity(at path: String) throws(CheckpointError) -> String? {
    try mark(of: path)?.id
  }

  /// True if the folder holds this store, and the store serves this queue or none yet. Throws if the
  /// folder cannot be read.
  package static func isThere(
    _ path: String, _ id: String, of queue: String
  ) throws(CheckpointError) -> Bool {
    guard let found = try mark(of: path) else { return false }
    return found.id == id && (found.queue ?? queue) == queue
  }

  /// The content of store.json.
  private struct Mark {
    var id: String
    /// nil where an earlier version made it.
    var queue: String?
  }

  private static let marker = "store.json"

  private static func mark(of path: String) throws(CheckpointError) -> Mark? {
    let text: String
    do { text = try String(contentsOfFile: "\(path)/\(marker)", encoding: .utf8) } catch {
      // Only what is certainly absent is absent: a folder may also be closed to this user.
      var facts = stat()
      if stat("\(path)/\(marker)", &facts) != 0, [ENOENT, ENOTDIR].contains(errno) { return nil }
      throw .away(
        store: path, reason: "its store.json cannot be read: \(error.localizedDescription)")
    }
    let node = try? JSON(parsing: text)
    guard let id = node?["id"]?.stringValue, isValidName(id) else {
      throw .cannotOpen(store: path, reason: "its store.json is damaged")
    }
    return Mark(id: id, queue: node?["queue"]?.stringValue)
  }

  private static func write(
    _ mark: Mark, in path: String, replacing: Bool
  ) throws(CheckpointError) {
    let queue: JSON = mark.queue.map { .string($0) } ?? .null
    let content: JSON = ["format": 1, "id": .string(mark.id), "queue": queue]
    let bytes = Array((content.pretty() + "\n").utf8)
    try place(as: path + "/" + marker, replacing: replacing) { sink throws(CheckpointError) in
      try bytes.forWhole(sink)
    }
  }

  /// Throws where the store is another queue's.
  private static func claim(
    _ mark: Mark, at path: String, by owner: Owner, for use: Use
  ) throws(CheckpointError) {
    if let queue = mark.queue {
      guard queue == owner.queue else {
        throw .ofAnotherQueue(store: path, its: queue, asked: owner.queue)
      }
      return
    }
    // A store that was made and never used is anybody's.
    guard owner.stores.contains(mark.id) || !holdsCheckpoints(path) else {
      throw .ofAnotherQueue(store: path, its: nil, asked: owner.queue)
    }
    if use != .reading {
      try write(Mark(id: mark.id, queue: owner.queue), in: path, replacing: true)
    }
  }

  private static func holdsCheckpoints(_ path: String) -> Bool {
    // A folder that cannot be listed may hold some.
    guard let files = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      return true
    }
    return files.contains { $0.hasSuffix(StoreEntry.ending) }
  }

  /// Throws where the folder is no longer this store: not mounted, say, or another one in its place.
  package func check() throws(CheckpointError) {
    guard let found = try FolderStore.mark(of: path) else {
      throw .away(store: path, reason: "its store.json is not there")
    }
    guard found.id == id else { throw .away(store: path, reason: "another store is in its place") }
  }

  /// Returns when the file is on the disk.
  package func put(
    _ file: String, _ content: (CheckpointSink) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    precondition(isValidName(file), "a checkpoint named \(file)")
    try FolderStore.place(as: path + "/" + file, replacing: true, content)
  }

  package func get(_ file: String) throws(CheckpointError) -> [UInt8] {
    guard isValidName(file) else { throw .missing(file: file) }
    do { return [UInt8](try Data(contentsOf: URL(filePath: "\(path)/\(file)"))) } catch {
      // A file is missing only from a store that is there.
      try check()
      guard (error as? CocoaError)?.code == .fileReadNoSuchFile else {
        throw .away(store: path, reason: error.localizedDescription)
      }
      throw .missing(file: file)
    }
  }

  /// Bytes of a file; nil where it is not in the store.
  package func size(of file: String) throws(CheckpointError) -> Int? {
    guard isValidName(file) else { return nil }
    var facts = stat()
    if stat(path + "/" + file, &facts) == 0 { return Int(facts.st_size) }
    // A file is missing only from a store that is there.
    try check()
    return nil
  }

  package func entries() throws(CheckpointError) -> [StoreEntry] {
    try check()
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        .filter { $0 != FolderStore.marker }
        .compactMap { file in
          let facts = try? FileManager.default.attributesOfItem(atPath: path + "/" + file)
          guard let facts, facts[.type] as? FileAttributeType == .typeRegular else { return nil }
          return StoreEntry(
            file: file, bytes: (facts[.size] as? Int) ?? 0,
            modified: (facts[.modificationDate] as? Date) ?? .distantPast)
        }
    } catch { throw .away(store: path, reason: error.localizedDescription) }
  }

  /// True when the file was there.
  @discardableResult
  package func remove(_ file: String) -> Bool {
    isValidName(file) && unlink(path + "/" + file) == 0
  }

  /// Writes a file beside its place, syncs it, and puts it there as a whole. Where it must not
  /// replace another, one that is there already stays.
  private static func place(
    as target: String, replacing: Bool, _ content: (CheckpointSink) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let place = URL(filePath: target)
    func failure(_ step: String) -> CheckpointError {
      .cannotWrite(
        file: place.lastPathComponent, reason: "\(step): \(String(cString: strerror(errno)))")
    }
    let temporary = "\(target).\(UUID().uuidString)\(StoreEntry.unfinished)"
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw failure("open") }
    defer {
      close(file)
      // Gone already where it was renamed.
      unlink(temporary)
    }
    try content { bytes throws(CheckpointError) in
      var written = 0
      while written < bytes.count {
        let count = Glibc.write(file, bytes.baseAddress! + written, bytes.count - written)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw failure("write") }
        written += count
      }
    }
    guard fsync(file) == 0 else { throw failure("fsync") }
    if replacing {
      guard rename(temporary, target) == 0 else { throw failure("rename") }
    } else {
      guard link(temporary, target) == 0 || errno == EEXIST else { throw failure("link") }
    }
    let folder = open(place.deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failure("open the folder") }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw failure("fsync of the folder") }
  }
}
