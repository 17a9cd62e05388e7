import Foundation
import Values

/// Keeps checkpoint files under names. It has an identity of its own, so that a store that is away is told
/// from one whose files are gone, and serves one queue: files of two queues are named alike. Files never
/// change; which of them count is for the database to say.
///
/// Every store keeps these promises (`StoreContractTests`):
/// - A name has a whole file or none. If a write fails, the store still has the file from before.
/// - `get` says `missing` only if the store is there. Otherwise it says `away`.
package protocol CheckpointStore: Sendable {
  var id: String { get }
  /// The place of the store, as messages name it.
  var path: String { get }

  /// Throws where the store is away, or another one is in its place.
  func check() throws(CheckpointError)

  /// Writes a file, and replaces one of the same name.
  func put(
    _ file: String, _ content: (CheckpointSink) throws(CheckpointError) -> Void
  ) throws(CheckpointError)

  /// The bytes of a file.
  func get(_ file: String) throws(CheckpointError) -> [UInt8]

  /// Bytes of a file; nil where it is not in the store.
  func size(of file: String) throws(CheckpointError) -> Int?

  /// All files, in the order of their names, with those that a crash left unfinished.
  func entries() throws(CheckpointError) -> [StoreEntry]

  /// True when the file was there.
  @discardableResult func remove(_ file: String) -> Bool
}

/// Takes the next bytes of a file.
package typealias CheckpointSink = (UnsafeRawBufferPointer) throws(CheckpointError) -> Void

/// A checkpoint as it was written.
package struct WrittenCheckpoint: Sendable, Equatable {
  package let file: String
  package let bytes: Int
  /// SHA-256 of the file.
  package let digest: String
}

/// A file in a store.
package struct StoreEntry: Sendable {
  package let file: String
  package let bytes: Int
  package let modified: Date

  package init(file: String, bytes: Int, modified: Date) {
    (self.file, self.bytes, self.modified) = (file, bytes, modified)
  }

  /// How the names of checkpoints end.
  package static let ending = ".safetensors.zst"

  /// Files whose content a crash may have torn carry this in their name and are never read.
  static let unfinished = ".partial"

  /// True of a checkpoint, whole or left unfinished by a crash. A folder may hold files of other kinds.
  package var isCheckpoint: Bool { file.hasSuffix(StoreEntry.ending) || isUnfinished }

  package var isUnfinished: Bool { file.hasSuffix(StoreEntry.unfinished) }
}

extension CheckpointStore {
  /// Compresses a checkpoint into a file.
  package func write(
    _ checkpoint: Checkpoint, as file: String, level: Int32 = Compression.level
  ) throws(CheckpointError) -> WrittenCheckpoint {
    precondition(isValidName(file), "a checkpoint named \(file)")
    try check()
    let digest = Digest.Stream()
    var count = 0
    let stream = Compression.Stream(byteCount: checkpoint.byteCount, level: level)
    try put(file) { sink throws(CheckpointError) in
      func out(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        count += bytes.count
        digest.add(bytes)
        try sink(bytes)
      }
      for piece in checkpoint.pieces {
        try piece.forWhole { bytes throws(CheckpointError) in try stream.add(bytes, out) }
      }
      try stream.finish(out)
    }
    return WrittenCheckpoint(file: file, bytes: count, digest: digest.finished())
  }

  /// Reads a file; `digest` is what the database knows of it, `limit` the most bytes that its content
  /// may have.
  package func read(_ file: String, digest: String?, limit: Int) throws(CheckpointError)
    -> Checkpoint
  {
    let content = try decompressed(file, digest: digest, limit: limit)
    do throws(Checkpoint.LayoutError) { return try Checkpoint(safetensors: content) } catch {
      throw .damaged(file: file, reason: error.reason)
    }
  }

  /// The safetensors content of a file.
  package func decompressed(_ file: String, digest: String?, limit: Int) throws(CheckpointError)
    -> [UInt8]
  {
    guard isValidName(file) else { throw .missing(file: file) }
    guard 0...mostBytes ~= limit else {
      throw .damaged(file: file, reason: "is said to have a state of \(limit) bytes")
    }
    // zstd grows incompressible content by little; a file beyond that is not read at all.
    if let size = try size(of: file), size > limit, size - limit > limit / 100 + 1 << 16 {
      throw .damaged(file: file, reason: "has \(size) bytes, and its state has \(limit) at most")
    }
    let bytes = try get(file)
    if let digest {
      let found = Digest.sha256(of: bytes)
      guard found == digest else {
        throw .damaged(
          file: file, reason: "has the digest \(found.prefix(12)), not \(digest.prefix(12))")
      }
    }
    do throws(Compression.Failure) { return try Compression.decompress(bytes, limit: limit) } catch
    {
      throw .damaged(file: file, reason: error.reason)
    }
  }
}

/// More than any machine holds.
private let mostBytes = 1 << 46

extension [UInt8] {
  /// `withUnsafeBytes` with the error's type kept.
  func forWhole(
    _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let result = withUnsafeBytes { bytes in
      Result { () throws(CheckpointError) in try body(bytes) }
    }
    try result.get()
  }
}
