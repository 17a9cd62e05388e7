import CPictures
import Foundation
import Synchronization
import Tensors
import Values

/// Pictures of one split that stay in their files: each is read and decoded when it is wanted.
///
/// Sendable: what changes is guarded by a mutex.
package final class PictureFolder: Sendable {
  private let folder: String
  private let entries: [PictureIndex.Entry]
  /// Pixels of a side of the network's input.
  let side: Int
  private let crop: ResizedCrop
  /// The files whose digest has been compared since the folder was opened.
  private let compared: Mutex<[Bool]>

  init(_ folder: String, _ entries: [PictureIndex.Entry], side: Int, crop: ResizedCrop) {
    self.folder = folder
    self.entries = entries
    self.side = side
    self.crop = crop
    compared = Mutex(Array(repeating: false, count: entries.count))
  }

  var bytesPerPicture: Int { 3 * side * side }

  /// Writes a training picture as it is seen in an epoch.
  func write(
    _ out: UnsafeMutablePointer<UInt8>, _ sample: Int, epoch: Int, _ random: Philox
  ) throws(DatasetError) {
    try write(out, sample, crop.draw(sample, epoch: epoch, entries[sample].size, random))
  }

  /// Writes a picture as it is seen in tests.
  func write(_ out: UnsafeMutablePointer<UInt8>, _ sample: Int) throws(DatasetError) {
    try write(out, sample, crop.middle(of: entries[sample].size))
  }

  private func write(
    _ out: UnsafeMutablePointer<UInt8>, _ sample: Int, _ draw: ResizedCrop.Draw
  ) throws(DatasetError) {
    let entry = entries[sample]
    let file = folder + "/" + entry.path
    let bytes = try PictureFolder.bytes(file)
    try compare(bytes, with: entry, sample, file)
    do throws(PictureFile.Fault) {
      try PictureFile.write(
        out, width: side, height: side, box: draw.box, mirrored: draw.isMirrored, of: bytes)
    } catch { throw .damaged(file: file, reason: error.reason) }
    if let colours = draw.colours {
      cp_jitter(out, side * side, colours.factors, colours.order)
    }
  }

  /// Compares a file's size each time, and its digest the first time.
  private func compare(
    _ bytes: [UInt8], with entry: PictureIndex.Entry, _ sample: Int, _ file: String
  ) throws(DatasetError) {
    if bytes.count == entry.bytes, compared.withLock({ $0[sample] }) { return }
    guard bytes.count == entry.bytes, Digest.sha256(of: bytes) == entry.digest else {
      throw .damaged(
        file: file,
        reason:
          "is not the file that was indexed; put that one back, or touch this one and submit the "
          + "grid under another name")
    }
    compared.withLock { $0[sample] = true }
  }

  /// A larger file is no picture for training.
  private static let sizeLimit = 1 << 28

  /// A file's bytes.
  static func bytes(_ file: String) throws(DatasetError) -> [UInt8] {
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw .damaged(file: file, reason: "cannot be read: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var facts = stat()
    guard fstat(descriptor, &facts) == 0, facts.st_size <= sizeLimit else {
      throw .damaged(file: file, reason: "has more than \(sizeLimit) bytes")
    }
    let count = Int(facts.st_size)
    var done = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while done < count {
        let read = read(descriptor, buffer.baseAddress! + done, count - done)
        guard read > 0 else { break }
        done += read
      }
      initialized = done
    }
    return bytes
  }
}
