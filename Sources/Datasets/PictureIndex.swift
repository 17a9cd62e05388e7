import Foundation
import Synchronization
import Values

/// The index of an image folder: size, time, digest and pixels of each file. jobctl makes it once, by reading
/// every file, and keeps it. Planning and claiming then read the index and no file.
///
/// It is packed: a file takes about 70 bytes and its path.
package struct PictureIndex: Sendable {
  /// One file: its place beneath the folder, and what was found in it.
  package struct Entry: Sendable, Equatable {
    /// `train/cat/0001.jpg`
    package var path: String
    package var bytes: Int
    /// When it was changed last, in nanoseconds since 1970.
    package var modified: Int
    /// SHA-256 of its bytes. Zeros where it could not be read.
    package var digest: [UInt8]
    package var size: PictureFile.Size
    /// The reason why it cannot be used; nil where it can.
    package var fault: String?
  }

  /// In the order of `files`, but for an index that is being made.
  package private(set) var files = FileList()
  /// `Digest.length` bytes a file.
  private var digests: [UInt8] = []
  private var widths: [Int32] = []
  private var heights: [Int32] = []
  private var faults: [Int: String] = [:]

  package init() {}

  /// An empty one, with room for these files.
  init(roomFor list: FileList) {
    files.reserveCapacity(of: list)
    digests.reserveCapacity(list.count * Digest.length)
    widths.reserveCapacity(list.count)
    heights.reserveCapacity(list.count)
  }

  package var count: Int { files.count }

  package mutating func append(_ entry: Entry) {
    var path = entry.path
    path.withUTF8 { path in
      entry.digest.withUnsafeBufferPointer {
        append(
          path: path, bytes: entry.bytes, modified: entry.modified, digest: $0, size: entry.size,
          fault: entry.fault)
      }
    }
  }

  mutating func append(
    path: UnsafeBufferPointer<UInt8>, bytes: Int, modified: Int,
    digest: UnsafeBufferPointer<UInt8>, size: PictureFile.Size, fault: String?
  ) {
    precondition(digest.count == Digest.length, "a digest of \(digest.count) bytes")
    faults[count] = fault
    files.append(path: path, bytes: bytes, modified: modified)
    digests.append(contentsOf: digest)
    widths.append(Int32(clamping: size.width))
    heights.append(Int32(clamping: size.height))
  }

  private mutating func append(_ file: Int, of other: PictureIndex) { append(other[file]) }

  package subscript(file: Int) -> Entry {
    Entry(
      path: files.path(file), bytes: files.bytes[file], modified: files.modified[file],
      digest: digest(file), size: size(file), fault: faults[file])
  }

  func digest(_ file: Int) -> [UInt8] {
    Array(digests[file * Digest.length..<(file + 1) * Digest.length])
  }

  func size(_ file: Int) -> PictureFile.Size {
    .init(width: Int(widths[file]), height: Int(heights[file]))
  }

  /// Numbers of the files that can be used.
  var usable: [Int32] { (0..<Int32(count)).filter { faults[Int($0)] == nil } }

  var damaged: [Entry] { faults.keys.sorted().map { self[$0] } }

  /// SHA-256 over the path and the digest of each file that can be used.
  var digest: String {
    let stream = Digest.Stream()
    for file in usable {
      let file = Int(file)
      let line = "\(files.path(file))\t\(Digest.hexadecimal(digest(file)))\n"
      Array(line.utf8).withUnsafeBytes { stream.add($0) }
    }
    return stream.finished()
  }

  /// Ordered by the bytes of paths, each path once: the entry that came last counts.
  private var inOrder: PictureIndex {
    let isOrdered = (0..<max(count - 1, 0)).allSatisfy { files.order($0, files, $0 + 1) < 0 }
    guard !isOrdered else { return self }
    let order = (0..<count).sorted {
      let order = files.order($0, files, $1)
      return order != 0 ? order < 0 : $0 < $1
    }
    var ordered = PictureIndex(roomFor: files)
    for (place, file) in order.enumerated()
    where place + 1 == count || files.order(file, files, order[place + 1]) != 0 {
      ordered.append(file, of: self)
    }
    return ordered
  }
}

// MARK: - Making one

extension PictureIndex {
  /// Entries are written to the file after so many.
  private static let batch = 256

  /// Reads all files whose size or time is not the known one, on several threads, and keeps what is found in
  /// `file` as it goes, where one is given.
  package static func make(
    of folder: String, _ found: FileList, keptIn file: String?, threads: Int,
    progress: DataFolders.Progress? = nil
  ) throws -> PictureIndex {
    let known = (file.map { PictureIndex(readFrom: $0, expecting: found) } ?? PictureIndex())
      .inOrder
    var index = PictureIndex(roomFor: found)
    var missing: [Int] = []
    var next = 0
    for one in 0..<found.count {
      while next < known.count, known.files.order(next, found, one) < 0 { next += 1 }
      if next < known.count, known.files.isSame(next, found, one) {
        index.append(next, of: known)
      } else {
        missing.append(one)
      }
    }
    try read(missing, of: found, in: folder, threads: threads, progress) { fresh in
      if let file { try append(fresh, to: file) }
      fresh.forEach { index.append($0) }
    }
    index = index.inOrder
    if let file { try index.write(file) }
    return index
  }

  /// Reads all these files, whatever is known of them, and keeps nothing.
  static func made(
    of folder: String, _ found: FileList, threads: Int, progress: DataFolders.Progress?
  ) throws(DatasetError) -> PictureIndex {
    var index = PictureIndex(roomFor: found)
    do {
      try read(Array(0..<found.count), of: found, in: folder, threads: threads, progress) {
        $0.forEach { index.append($0) }
      }
    } catch { throw .damaged(file: folder, reason: "\(error)") }
    return index
  }

  /// Reads files a batch at a time, each batch on several threads.
  private static func read(
    _ files: [Int], of found: FileList, in folder: String, threads: Int,
    _ progress: DataFolders.Progress?, each: ([Entry]) throws -> Void
  ) throws {
    for start in stride(from: 0, to: files.count, by: batch) {
      let part = files[start..<min(start + batch, files.count)]
      let read = Mutex([Entry?](repeating: nil, count: part.count))
      let threads = min(threads, part.count)
      DispatchQueue.concurrentPerform(iterations: threads) { thread in
        for place in stride(from: thread, to: part.count, by: threads) {
          let entry = PictureIndex.entry(of: part[start + place], found, in: folder)
          read.withLock { $0[place] = entry }
        }
      }
      try each(read.withLock { $0 }.compactMap { $0 })
      progress?(start + part.count, files.count, folder)
    }
  }

  /// Reads one file whole, and decodes it, so that damage is known before training.
  private static func entry(of file: Int, _ found: FileList, in folder: String) -> Entry {
    var entry = Entry(
      path: found.path(file), bytes: found.bytes[file], modified: found.modified[file],
      digest: Array(repeating: 0, count: Digest.length), size: .init(width: 0, height: 0))
    do {
      let bytes = try PictureFolder.bytes(folder + "/" + entry.path)
      entry.digest = Digest.bytes(of: bytes)
      entry.size = try PictureFile.size(of: bytes)
      try PictureFile.verify(bytes)
    } catch let fault as PictureFile.Fault {
      entry.fault = fault.reason
    } catch {
      entry.fault = "\(error)"
    }
    return entry
  }
}
