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
  private let index: PictureIndex
  /// Numbers of the split's files in the index.
  private let files: [Int32]
  /// Pixels of a side of the network's input.
  let side: Int
  private let crop: ResizedCrop
  /// The files whose digest has been compared since the folder was opened.
  private let compared: Mutex<[Bool]>

  init(
    _ folder: String, _ index: PictureIndex, _ files: [Int32], side: Int, crop: ResizedCrop
  ) {
    self.folder = folder
    self.index = index
    self.files = files
    self.side = side
    self.crop = crop
    compared = Mutex(Array(repeating: false, count: files.count))
  }

  private func size(_ sample: Int) -> PictureFile.Size { index.size(Int(files[sample])) }

  var bytesPerPicture: Int { 3 * side * side }

  /// Writes a training picture as it is seen in an epoch.
  func write(
    _ out: UnsafeMutablePointer<UInt8>, _ sample: Int, epoch: Int, _ random: Philox
  ) throws(DatasetError) {
    try write(out, sample, crop.draw(sample, epoch: epoch, size(sample), random))
  }

  /// Writes a picture as it is seen in tests.
  func write(_ out: UnsafeMutablePointer<UInt8>, _ sample: Int) throws(DatasetError) {
    try write(out, sample, crop.middle(of: size(sample)))
  }

  private func write(
    _ out: UnsafeMutablePointer<UInt8>, _ sample: Int, _ draw: ResizedCrop.Draw
  ) throws(DatasetError) {
    let file = folder + "/" + index.files.path(Int(files[sample]))
    let bytes = try PictureFolder.bytes(file)
    try compare(bytes, sample, file)
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
    _ bytes: [UInt8], _ sample: Int, _ file: String
  ) throws(DatasetError) {
    let number = Int(files[sample])
    let isAsLarge = bytes.count == index.files.bytes[number]
    if isAsLarge, compared.withLock({ $0[sample] }) { return }
    guard isAsLarge, Digest.bytes(of: bytes) == index.digest(number) else {
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
