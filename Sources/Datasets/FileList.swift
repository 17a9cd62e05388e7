import Foundation

/// Files beneath a folder as the file system has them: path, size and time. They are packed, because a folder
/// may have a million of them.
package struct FileList: Equatable, Sendable {
  /// The paths, one after the other, and where each ends.
  private var text: [UInt8] = []
  private var ends: [Int] = []
  /// The size of each file.
  private(set) var bytes: [Int] = []
  /// When each was changed last, in nanoseconds since 1970.
  private(set) var modified: [Int] = []

  init() {}

  package var count: Int { ends.count }

  /// Makes room for the files of another list: an array that grows as it goes leaves memory of half its size
  /// behind.
  mutating func reserveCapacity(of other: FileList) {
    text.reserveCapacity(other.text.count)
    ends.reserveCapacity(other.count)
    bytes.reserveCapacity(other.count)
    modified.reserveCapacity(other.count)
  }

  mutating func append(
    path: UnsafeBufferPointer<UInt8>, bytes size: Int, modified time: Int
  ) {
    text.append(contentsOf: path)
    ends.append(text.count)
    bytes.append(size)
    modified.append(time)
  }

  mutating func append(path: String, bytes size: Int, modified time: Int) {
    var path = path
    path.withUTF8 { append(path: $0, bytes: size, modified: time) }
  }

  private func place(_ file: Int) -> Range<Int> { (file == 0 ? 0 : ends[file - 1])..<ends[file] }

  /// `train/cat/0001.jpg`
  package func path(_ file: Int) -> String { String(decoding: text[place(file)], as: UTF8.self) }

  /// Less than 0, 0, or more: as the bytes of the paths of two files are ordered.
  func order(_ file: Int, _ other: FileList, _ otherFile: Int) -> Int {
    let (mine, theirs) = (place(file), other.place(otherFile))
    let first = text.withUnsafeBufferPointer { text in
      other.text.withUnsafeBufferPointer { otherText in
        memcmp(
          text.baseAddress! + mine.lowerBound, otherText.baseAddress! + theirs.lowerBound,
          min(mine.count, theirs.count))
      }
    }
    return first != 0 ? Int(first) : mine.count - theirs.count
  }

  /// True if a file of this list and one of another have the same path, size and time.
  func isSame(_ file: Int, _ other: FileList, _ otherFile: Int) -> Bool {
    bytes[file] == other.bytes[otherFile] && modified[file] == other.modified[otherFile]
      && order(file, other, otherFile) == 0
  }
}

// MARK: - Listing

extension FileList {
  /// Lists `<split>/<class>/*` beneath a folder, in the order of their paths' bytes, without hidden files.
  /// `follow` throws where a symbolic link, given by its place beneath the folder, leads out of the data
  /// folders.
  init(
    _ folder: String, splits: [String], follow: (String) throws(DatasetError) -> Void
  ) throws(DatasetError) {
    for split in FileList.asFolders(splits) {
      for label in FileList.asFolders(try FileList.names(in: "\(folder)/\(split)")) {
        let place = "\(folder)/\(split)/\(label)"
        guard FileList.isFolder(place) else { continue }
        if FileList.isLink(place) { try follow("\(split)/\(label)") }
        for name in try FileList.names(in: place) {
          let path = "\(split)/\(label)/\(name)"
          guard !path.utf8.contains(UInt8(ascii: "\n")) else {
            throw .damaged(file: place, reason: "has a file with a line break in its name")
          }
          var facts = stat()
          guard stat("\(place)/\(name)", &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            continue
          }
          if FileList.isLink("\(place)/\(name)") { try follow(path) }
          append(
            path: path, bytes: Int(facts.st_size),
            modified: facts.st_mtim.tv_sec &* 1_000_000_000 &+ facts.st_mtim.tv_nsec)
        }
      }
    }
  }

  /// In the order that the paths beneath them have: a slash follows each name.
  private static func asFolders(_ names: [String]) -> [String] {
    names.sorted { ($0 + "/").utf8.lexicographicallyPrecedes(($1 + "/").utf8) }
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
}
