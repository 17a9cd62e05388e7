import CPictures
import CPicturesPlain
import Datasets
import Foundation
import Tensors
import TestSupport
import Testing
import Values

/// Ten augmented pictures have the same bytes on every processor.
@Suite struct GoldenPictureTests {
  private static let folder = repository.appending(path: "Tests/Fixtures/pictures").path
  private static let names = [
    "alpha.png", "cmyk.jpg", "colour-in-passes.jpg", "colour.jpg", "colour.png", "full-colour.jpg",
    "grey.jpg", "grey.png", "half-colour.jpg", "palette.png",
  ]
  private static let side = 48

  /// Of the ten pictures one after the other: crops, mirrored or not, with other colours.
  private static let golden = "8fa0f9a22b1b3a050a3ef2d4aefacddfc76d955c79f052efe39da428477bbb15"

  private typealias Resize = (
    UnsafeMutablePointer<UInt8>?, Int32, Int32, UnsafePointer<UInt8>?, Int32, Int32,
    UnsafePointer<Double>?, Int32, UnsafeMutableRawPointer?
  ) -> Void
  private typealias Jitter = (
    UnsafeMutablePointer<UInt8>?, Int, UnsafePointer<Int32>?, UnsafePointer<Int32>?
  ) -> Void

  private static func digest(_ resize: Resize, _ jitter: Jitter) throws -> String {
    let crop = ResizedCrop(["resized_crop": true, "flip": true, "jitter": .number("0.4")])
    let random = Philox(seed: 11, purpose: .augmentation)
    var all: [UInt8] = []
    for (sample, name) in names.enumerated() {
      let bytes = [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/\(name)")))
      let draw = crop.draw(sample, epoch: 2, try PictureFile.size(of: bytes), random)
      var pixels: UnsafeMutablePointer<UInt8>?
      var (width, height): (Int32, Int32) = (0, 0)
      var at = [0.0, 0, 0, 0]
      var message = [CChar](repeating: 0, count: 256)
      let side = Int32(side)
      let box = cp_box(
        x: Int32(draw.box.x), y: Int32(draw.box.y), width: Int32(draw.box.width),
        height: Int32(draw.box.height))
      #expect(
        cp_decode(
          bytes, bytes.count, box, side, side, 8, &pixels, &width, &height, &at, &message, 256)
          == CP_OK)
      defer { free(pixels) }
      var out = [UInt8](repeating: 0, count: 3 * Int(side * side))
      let scratch = UnsafeMutableRawPointer.allocate(
        byteCount: cp_resize_scratch(side, side, width, height, at), alignment: 64)
      defer { scratch.deallocate() }
      resize(&out, side, side, pixels, width, height, at, draw.isMirrored ? 1 : 0, scratch)
      let colours = try #require(draw.colours)
      jitter(&out, Int(side * side), colours.factors, colours.order)
      all += out
    }
    return Digest.sha256(of: all)
  }

  @Test func vectorsAndPlainCHaveTheSameBytes() throws {
    let found = try GoldenPictureTests.digest(cp_resize, cp_jitter)
    #expect(found == GoldenPictureTests.golden)
    #expect(try GoldenPictureTests.digest(plain_resize, plain_jitter) == GoldenPictureTests.golden)
  }

  /// libjpeg-turbo too has vectors, which its environment can switch off.
  @Test func decodingWithoutVectorsHasTheSameBytes() async {
    await #expect(processExitsWith: .success) {
      setenv("JSIMD_FORCENONE", "1", 1)
      let found = try? GoldenPictureTests.digest(cp_resize, cp_jitter)
      exit(found == GoldenPictureTests.golden ? 0 : 1)
    }
  }
}
