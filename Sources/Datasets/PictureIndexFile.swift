import Foundation
import Values

/// The file of a picture folder's index. It has a line for each picture: digest, bytes, time, width, height,
/// the reason why it cannot be used, and its path, with tabs between them.
extension PictureIndex {
  /// The first line of a file. An index of another form is made anew.
  private static let head = "jobctl picture index 1"

  /// The path comes last, since it may hold blanks.
  private static func line(_ entry: Entry) -> String {
    [
      Digest.hexadecimal(entry.digest), String(entry.bytes), String(entry.modified),
      String(entry.size.width), String(entry.size.height),
      entry.fault?.replacing("\t", with: " ") ?? "", entry.path,
    ].joined(separator: "\t") + "\n"
  }

  /// Takes what a file holds, also where its writer was interrupted; nothing where there is none. There is
  /// room at once for the files that are expected.
  init(readFrom file: String, expecting list: FileList = FileList()) {
    self.init(roomFor: list)
    guard let stream = fopen(file, "re") else { return }
    defer { fclose(stream) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    /// Nil at the end of the file, and where the last line was cut.
    func next() -> UnsafeBufferPointer<UInt8>? {
      let count = getline(&line, &capacity, stream)
      guard count > 0, let line, line[count - 1] == CChar(bitPattern: UInt8(ascii: "\n")) else {
        return nil
      }
      return UnsafeBufferPointer(
        start: UnsafeRawPointer(line).assumingMemoryBound(to: UInt8.self), count: count - 1)
    }
    guard let first = next(), first.elementsEqual(PictureIndex.head.utf8) else { return }
    while let line = next() { append(line) }
  }

  /// Adds an entry from its line; nothing where it is none.
  private mutating func append(_ line: UnsafeBufferPointer<UInt8>) {
    var parts = line.split(
      separator: UInt8(ascii: "\t"), maxSplits: 6, omittingEmptySubsequences: false)[...]
    func text(_ part: Slice<UnsafeBufferPointer<UInt8>>) -> String {
      String(decoding: part, as: UTF8.self)
    }
    guard parts.count == 7, let path = parts.popLast(), !path.isEmpty, let fault = parts.popLast(),
      let digest = Digest.bytes(hexadecimal: parts.removeFirst())
    else { return }
    let numbers = parts.compactMap { Int(text($0)) }
    guard numbers.count == 4 else { return }
    digest.withUnsafeBufferPointer {
      append(
        path: UnsafeBufferPointer(rebasing: path), bytes: numbers[0], modified: numbers[1],
        digest: $0, size: .init(width: numbers[2], height: numbers[3]),
        fault: fault.isEmpty ? nil : text(fault))
    }
  }

  /// Lines are written so many at a time.
  private static let linesAtOnce = 4096

  /// Replaces the file.
  func write(_ file: String) throws {
    try FileManager.default.createDirectory(
      atPath: URL(filePath: file).deletingLastPathComponent().path,
      withIntermediateDirectories: true)
    // Two processes may index the same folder.
    let fresh = "\(file).\(getpid())"
    do {
      try Data((PictureIndex.head + "\n").utf8).write(to: URL(filePath: fresh))
      for start in stride(from: 0, to: count, by: PictureIndex.linesAtOnce) {
        let rows = start..<min(start + PictureIndex.linesAtOnce, count)
        try PictureIndex.append(rows.map { self[$0] }, to: fresh)
      }
      guard rename(fresh, file) == 0 else {
        throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: file])
      }
    } catch {
      unlink(fresh)
      throw error
    }
  }

  /// Adds to a file what has been found so far, so that an interrupted indexing goes on from there.
  static func append(_ entries: [Entry], to file: String) throws {
    if !FileManager.default.fileExists(atPath: file) { try PictureIndex().write(file) }
    let handle = try FileHandle(forWritingTo: URL(filePath: file))
    // `write` has thrown the error already.
    defer { try? handle.close() }
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(entries.map(line).joined().utf8))
  }
}
