import Foundation
import Synchronization
import Values

/// The index of an image folder: size, time, digest and pixels of each file. jobctl makes it once, by reading
/// every file, and keeps it. Planning and claiming then read the index and no file.

package struct PictureIndex: Sendable {
  /// One file: its place beneath the folder, and what was found in it.
  package struct Entry: Sendable, Equatable {
    /// `train/cat/0001.jpg`
    package var path: String
    package var bytes: Int
    /// When it was changed last, in nanoseconds since 1970.
    package var modified: Int
    /// SHA-256 of its bytes.
    package var digest: String
    package var size: PictureFile.Size
    /// The reason why it cannot be used; nil where it can.
    package var fault: String?
  }

  /// Ordered by the bytes of their paths.
  package private(set) var entries: [Entry]

  package init(_ entries: [Entry]) {
    self.entries = entries.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  package var damaged: [Entry] { entries.filter { $0.fault != nil } }

  /// SHA-256 over the path and the digest of each file that can be used.
  package var digest: String {
    let stream = Digest.Stream()
    for entry in entries where entry.fault == nil {
      let line = "\(entry.path)\t\(entry.digest)\n"
      Array(line.utf8).withUnsafeBytes { stream.add($0) }
    }
    return stream.finished()
  }
}

// MARK: - On disk

extension PictureIndex {
  /// The first line of a file. An index of another form is made anew.
  private static let head = "jobctl picture index 1"

  /// A line of the file: the path comes last, since it may hold blanks.
  private static func line(_ entry: Entry) -> String {
    [
      entry.digest, String(entry.bytes), String(entry.modified), String(entry.size.width),
      String(entry.size.height), entry.fault?.replacing("\t", with: " ") ?? "", entry.path,
    ].joined(separator: "\t") + "\n"
  }

  private static func entry(_ line: Substring) -> Entry? {
    let parts = line.split(separator: "\t", maxSplits: 6, omittingEmptySubsequences: false)
    guard parts.count == 7, let bytes = Int(parts[1]), let modified = Int(parts[2]),
      let width = Int(parts[3]), let height = Int(parts[4])
    else { return nil }
    return Entry(
      path: String(parts[6]), bytes: bytes, modified: modified, digest: String(parts[0]),
      size: .init(width: width, height: height), fault: parts[5].isEmpty ? nil : String(parts[5]))
  }

  /// What a file holds, also where its writer was interrupted; nothing where there is none.
  static func read(_ file: String) -> [Entry] {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return [] }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.first == head[...] else { return [] }
    // The last line may have been cut.
    return lines.dropFirst().dropLast().compactMap(entry)
  }

  /// Replaces the file.
  func write(_ file: String) throws {
    let text = PictureIndex.head + "\n" + entries.map(PictureIndex.line).joined()
    try FileManager.default.createDirectory(
      atPath: URL(filePath: file).deletingLastPathComponent().path,
      withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(filePath: file), options: .atomic)
  }

  /// Adds to a file what has been found so far, so that an interrupted indexing goes on from there.
  static func append(_ entries: [Entry], to file: String) throws {
    if !FileManager.default.fileExists(atPath: file) { try PictureIndex([]).write(file) }
    let handle = try FileHandle(forWritingTo: URL(filePath: file))
    // What could not be written has been said by write.
    defer { try? handle.close() }
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(entries.map(line).joined().utf8))
  }
}

// MARK: - Making one

/// The files of a folder as the file system has them.
package struct FoundFile: Sendable, Equatable {
  package var path: String
  package var bytes: Int
  package var modified: Int
}

extension PictureIndex {
  /// Lists `<split>/<class>/*` beneath a folder, in the order of their paths' bytes, without hidden files.
  /// `follow` throws where a symbolic link, given by its place beneath the folder, leads out of the data
  /// folders.
  static func list(
    _ folder: String, splits: [String], follow: (String) throws(DatasetError) -> Void
  ) throws(DatasetError) -> [FoundFile] {
    var found: [FoundFile] = []
    for split in splits {
      for label in try names(in: "\(folder)/\(split)") {
        let place = "\(folder)/\(split)/\(label)"
        guard isFolder(place) else { continue }
        if isLink(place) { try follow("\(split)/\(label)") }
        for name in try names(in: place) {
          let path = "\(split)/\(label)/\(name)"
          guard !path.utf8.contains(UInt8(ascii: "\n")) else {
            throw .damaged(file: place, reason: "has a file with a line break in its name")
          }
          var facts = stat()
          guard stat("\(place)/\(name)", &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            continue
          }
          if isLink("\(place)/\(name)") { try follow(path) }
          found.append(
            FoundFile(
              path: path, bytes: Int(facts.st_size),
              modified: facts.st_mtim.tv_sec &* 1_000_000_000 &+ facts.st_mtim.tv_nsec))
        }
      }
    }
    return found.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  private static func isLink(_ path: String) -> Bool {
    var facts = stat()
    return lstat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFLNK
  }

  static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }

  /// Names in a folder, in the order of their bytes, without hidden ones.
  static func names(in folder: String) throws(DatasetError) -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).filter {
        !$0.hasPrefix(".")
      }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    } catch {
      throw .damaged(file: folder, reason: "cannot be read: \(error.localizedDescription)")
    }
  }

  /// Where the known entries are of these very files: all of them, by size and time. Both are in the order
  /// of paths, so nothing is looked up.
  static func current(_ known: [Entry], _ found: [FoundFile]) -> PictureIndex? {
    guard known.count == found.count else { return nil }
    let isSame = zip(known, found).allSatisfy { entry, file in
      entry.path == file.path && entry.bytes == file.bytes && entry.modified == file.modified
    }
    return isSame ? PictureIndex(known) : nil
  }

  /// Entries are written to the file after so many.
  private static let batch = 256

  /// Reads all files whose size or time is not the known one, on several threads, and keeps what is found in
  /// `file` as it goes, where one is given.
  package static func make(
    of folder: String, _ found: [FoundFile], keptIn file: String?, threads: Int,
    progress: DataFolders.Progress? = nil
  ) throws -> PictureIndex {
    let known = Dictionary(
      (file.map(read) ?? []).map { ($0.path, $0) }, uniquingKeysWith: { $1 })
    var entries: [Entry] = []
    var missing: [FoundFile] = []
    for one in found {
      if let entry = known[one.path], entry.bytes == one.bytes, entry.modified == one.modified {
        entries.append(entry)
      } else {
        missing.append(one)
      }
    }
    try read(missing, in: folder, threads: threads, progress) { fresh in
      if let file { try append(fresh, to: file) }
      entries += fresh
    }
    let index = PictureIndex(entries)
    if let file { try index.write(file) }
    return index
  }

  /// Reads all these files, whatever is known of them, and keeps nothing.
  static func made(
    of folder: String, _ files: [FoundFile], threads: Int, progress: DataFolders.Progress?
  ) throws(DatasetError) -> PictureIndex {
    var entries: [Entry] = []
    do {
      try read(files, in: folder, threads: threads, progress) { entries += $0 }
    } catch { throw .damaged(file: folder, reason: "\(error)") }
    return PictureIndex(entries)
  }

  /// Reads files a batch at a time, each batch on several threads.
  private static func read(
    _ files: [FoundFile], in folder: String, threads: Int, _ progress: DataFolders.Progress?,
    each: ([Entry]) throws -> Void
  ) throws {
    for start in stride(from: 0, to: files.count, by: batch) {
      let part = Array(files[start..<min(start + batch, files.count)])
      let read = Mutex([Entry?](repeating: nil, count: part.count))
      let threads = min(threads, part.count)
      DispatchQueue.concurrentPerform(iterations: threads) { thread in
        for place in stride(from: thread, to: part.count, by: threads) {
          let entry = PictureIndex.entry(of: part[place], in: folder)
          read.withLock { $0[place] = entry }
        }
      }
      try each(read.withLock { $0 }.compactMap { $0 })
      progress?(start + part.count, files.count, folder)
    }
  }

  /// Reads one file whole, and decodes it, so that damage is known before training.
  private static func entry(of file: FoundFile, in folder: String) -> Entry {
    var entry = Entry(
      path: file.path, bytes: file.bytes, modified: file.modified, digest: "",
      size: .init(width: 0, height: 0))
    do {
      let bytes = try PictureFolder.bytes(folder + "/" + file.path)
      entry.digest = Digest.sha256(of: bytes)
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
