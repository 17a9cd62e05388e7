import CZlib
import Experiments
import Foundation
import Values

/// Where data sets may be: the folders that a worker allows, and nothing outside of them.
package struct DataFolders: Sendable {
  package let roots: [String]
  /// The folder in which jobctl keeps the indices of picture folders. If it is nil, jobctl keeps none.
  package let indices: String?

  /// Told how many files of a folder have been indexed, and of how many.
  package typealias Progress = @Sendable (_ done: Int, _ all: Int, _ folder: String) -> Void
  package var progress: Progress?

  package init(roots: [String], indices: String? = nil) {
    (self.roots, self.indices) = (roots, indices)
  }

  /// JOBCTL_DATA (folders separated by colons), then where Debian's packages put data sets. Indices are kept
  /// in jobctl's home.
  package init(environment: [String: String], home: String) {
    let own = environment["JOBCTL_DATA"]?.split(separator: ":").map(String.init) ?? []
    self.init(roots: own + ["/usr/share/datasets"], indices: home + "/indices")
  }

  /// The first root that has a file or folder of this relative path; symbolic links may not lead out.
  func find(_ path: String, of dataset: String) throws(DatasetError) -> String {
    guard DatasetSpec.staysInside(path) else { throw .outside(path: path) }
    for root in roots {
      let candidate = root + "/" + path
      guard FileManager.default.fileExists(atPath: candidate) else { continue }
      let base = URL(filePath: root).resolvingSymlinksInPath().path
      let resolved = URL(filePath: candidate).resolvingSymlinksInPath().path
      guard resolved == base || resolved.hasPrefix(base + "/") else {
        throw .outside(path: candidate)
      }
      return resolved
    }
    throw .absent(dataset: dataset, looked: roots.map { $0 + "/" + path })
  }
}

/// A file's bytes, at most `limit` of them; gzip is undone.
func contents(of file: String, limit: Int) throws(DatasetError) -> [UInt8] {
  var facts = stat()
  guard stat(file, &facts) == 0 else {
    throw .damaged(file: file, reason: "cannot be read: \(String(cString: strerror(errno)))")
  }
  guard facts.st_mode & S_IFMT == S_IFREG else {
    let isFolder = facts.st_mode & S_IFMT == S_IFDIR
    throw .damaged(file: file, reason: isFolder ? "is a folder, not a file" : "is no regular file")
  }
  guard let handle = gzopen(file, "rb") else {
    throw .damaged(file: file, reason: "cannot be opened: \(String(cString: strerror(errno)))")
  }
  var bytes: [UInt8] = []
  // An array that grows as it goes leaves memory of half its size behind.
  bytes.reserveCapacity(min(limit, expectedSize(of: file)))
  var chunk = [UInt8](repeating: 0, count: 1 << 20)
  var read: Int32
  repeat {
    read = gzread(handle, &chunk, UInt32(chunk.count))
    if read > 0 { bytes.append(contentsOf: chunk[..<Int(read)]) }
  } while read > 0 && bytes.count <= limit
  var code = Z_OK
  _ = gzerror(handle, &code)
  // Both say so where the file ends inside of a compressed stream.
  let closed = gzclose(handle)
  guard bytes.count <= limit else {
    throw .damaged(file: file, reason: "is larger than the \(limit) bytes that it may have")
  }
  guard read == 0, code == Z_OK || code == Z_STREAM_END, closed == Z_OK else {
    throw .damaged(
      file: file,
      reason: code == Z_BUF_ERROR || closed == Z_BUF_ERROR
        ? "ends too early: its compressed data are cut" : "its compressed data are broken")
  }
  return bytes
}

/// The number of bytes that a file will give: gzip says it in the last four, modulo 2^32. Only a hint.
private func expectedSize(of file: String) -> Int {
  guard let handle = FileHandle(forReadingAtPath: file), let end = try? handle.seekToEnd() else {
    return 0
  }
  guard file.hasSuffix(".gz") else { return Int(end) + 1 }
  guard end > 4, (try? handle.seek(toOffset: end - 4)) != nil, let tail = try? handle.readToEnd()
  else { return 0 }
  // No more than deflate can pack into so many bytes.
  return min(tail.reversed().reduce(0) { $0 << 8 | Int($1) }, 1032 * Int(end))
}

/// SHA-256 over files in order.
func contentDigest(_ parts: [[UInt8]]) -> String {
  let digest = Digest.Stream()
  for part in parts { part.withUnsafeBytes { digest.add($0) } }
  return digest.finished()
}
