import CPictures
import Foundation
import Tensors

/// One picture's way from bytes to a network's input.
enum Picture {
  /// Normalizes, shifts by (dy, dx) with reflection at the border, and mirrors when `flip`.
  static func write(
    _ out: FloatPointer, image: UnsafePointer<UInt8>, height: Int, width: Int, channels: Int,
    mean: [Float], inverseDeviation: [Float], dy: Int, dx: Int, flip: Bool
  ) {
    cp_image(
      out, image, Int32(height), Int32(width), Int32(channels), mean, inverseDeviation, Int32(dy),
      Int32(dx), flip ? 1 : 0)
  }

  /// The same of pixels that are normalized already.
  static func write(
    _ out: FloatPointer, normalized image: UnsafePointer<Float>, height: Int, width: Int,
    channels: Int, dy: Int, dx: Int, flip: Bool
  ) {
    cp_image_floats(
      out, image, Int32(height), Int32(width), Int32(channels), Int32(dy), Int32(dx),
      flip ? 1 : 0)
  }
}

/// A JPEG or PNG file's pixels.
package enum PictureFile {
  /// The libraries that decode, with their versions: part of the numerics fingerprint.
  package static let decoders = String(cString: cp_decoders())

  /// The reason why a file is no picture that can be used.
  package struct Fault: Error, Equatable { package let reason: String }

  package struct Size: Hashable, Sendable {
    package var width: Int
    package var height: Int

    package init(width: Int, height: Int) { (self.width, self.height) = (width, height) }
  }

  /// Pixels of the stored picture.
  package struct Box: Equatable, Sendable {
    package var x: Int
    package var y: Int
    package var width: Int
    package var height: Int

    package init(x: Int, y: Int, width: Int, height: Int) {
      (self.x, self.y, self.width, self.height) = (x, y, width, height)
    }

    /// A square in the middle, whose side is a share of the picture's shorter one.
    package init(middle share: Double, of size: Size) {
      let side = max(1, Int((share * Double(min(size.width, size.height))).rounded()))
      self.init(
        x: (size.width - side) / 2, y: (size.height - side) / 2, width: side, height: side)
    }
  }

  private static let mostMessage = 256

  private static func checked(
    _ body: (UnsafeMutablePointer<CChar>, Int32) -> cp_status
  ) throws(Fault) {
    var message = [CChar](repeating: 0, count: mostMessage)
    let status = body(&message, Int32(mostMessage))
    guard status == CP_OK else {
      let text = message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
      throw Fault(reason: String(decoding: text, as: UTF8.self))
    }
  }

  /// The size that a file says it has.
  package static func size(of bytes: [UInt8]) throws(Fault) -> Size {
    var facts = cp_facts()
    try checked { cp_probe(bytes, bytes.count, &facts, $0, $1) }
    return Size(width: Int(facts.width), height: Int(facts.height))
  }

  /// Decodes the whole file, to know whether it is undamaged.
  package static func verify(_ bytes: [UInt8]) throws(Fault) {
    try checked { cp_verify(bytes, bytes.count, $0, $1) }
  }

  /// Writes what a box shows as `width` x `height` pixels of red, green and blue.
  package static func write(
    _ out: UnsafeMutablePointer<UInt8>, width: Int, height: Int, box: Box, mirrored: Bool,
    of bytes: [UInt8],
    mostScale: Int32 = PictureFile.mostScale
  ) throws(Fault) {
    var pixels: UnsafeMutablePointer<UInt8>?
    var (decodedWidth, decodedHeight): (Int32, Int32) = (0, 0)
    var at = [0.0, 0, 0, 0]
    let box = cp_box(
      x: Int32(box.x), y: Int32(box.y), width: Int32(box.width), height: Int32(box.height))
    let (width, height) = (Int32(width), Int32(height))
    try checked {
      cp_decode(
        bytes, bytes.count, box, width, height, mostScale, &pixels, &decodedWidth, &decodedHeight,
        &at, $0, $1)
    }
    guard let pixels else { throw Fault(reason: "has no pixels") }
    defer { free(pixels) }
    let scratch = UnsafeMutableRawPointer.allocate(
      byteCount: cp_resize_scratch(width, height, decodedWidth, decodedHeight, at), alignment: 64)
    defer { scratch.deallocate() }
    cp_resize(
      out, width, height, pixels, decodedWidth, decodedHeight, at, mirrored ? 1 : 0, scratch)
  }

  /// A JPEG is decoded at a scale of 1/8 at the least.
  package static let mostScale: Int32 = 8
}
