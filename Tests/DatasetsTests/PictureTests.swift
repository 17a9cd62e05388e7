import CPictures
import Datasets
import Foundation
import Tensors
import TestSupport
import Testing
import Values

/// Files of pictures: their pixels beside Pillow's, and what becomes of files that are none.
@Suite struct PictureTests {
  private static let folder = repository.appending(path: "Tests/Fixtures/pictures").path

  private static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: folder + "/" + name)))
  }

  /// A box of a file as Pillow resizes it (generate.py).
  struct Reference: Sendable, CustomTestStringConvertible {
    let file: String
    let box: PictureFile.Box
    let side: Int
    let pixels: [UInt8]
    var testDescription: String { "\(file), \(side) pixels" }
  }

  private static let references: [Reference] = {
    guard let text = try? String(contentsOfFile: folder + "/reference.json", encoding: .utf8),
      let items = (try? JSON(parsing: text))?.items
    else { return [] }
    return items.map { item in
      let box = item["box"]?.items?.compactMap(\.intValue) ?? []
      let digits = Array((item["pixels"]?.stringValue ?? "").utf8)
      func value(_ digit: UInt8) -> UInt8 { digit < 58 ? digit - 48 : digit - 87 }
      return Reference(
        file: item["file"]?.stringValue ?? "",
        box: .init(x: box[0], y: box[1], width: box[2], height: box[3]),
        side: item["side"]?.intValue ?? 0,
        pixels: stride(from: 0, to: digits.count, by: 2).map {
          value(digits[$0]) << 4 | value(digits[$0 + 1])
        })
    }
  }()

  private func resized(
    _ bytes: [UInt8], _ box: PictureFile.Box, _ side: Int, mirrored: Bool = false,
    mostScale: Int32 = 1
  ) throws -> [UInt8] {
    var out = [UInt8](repeating: 0, count: 3 * side * side)
    try PictureFile.write(
      &out, width: side, height: side, box: box, mirrored: mirrored, of: bytes, mostScale: mostScale
    )
    return out
  }

  @Test func thereAreReferences() { #expect(PictureTests.references.count == 22) }

  /// To within one step of 255, whatever a file's type, colours and order.
  @Test(arguments: references) func pixelsAreThoseOfPillow(reference: Reference) throws {
    let found = try resized(
      PictureTests.bytes(reference.file), reference.box, reference.side)
    #expect(found.count == reference.pixels.count)
    let most = zip(found, reference.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
    #expect(most <= 1)
  }

  /// The filter against its definition in double precision, without a file in between.
  @Test func resizingIsThatOfTheDefinition() throws {
    let (width, height, side) = (37, 29, 13)
    let random = Philox(seed: 3, purpose: .syntheticData)
    let pixels = (0..<4 * width * height).map { UInt8(random.below(256, UInt64($0))) }
    let at = [2.25, 1.5, 30.5, 26.25]
    var out = [UInt8](repeating: 0, count: 3 * side * side)
    let scratch = UnsafeMutableRawPointer.allocate(
      byteCount: cp_resize_scratch(Int32(side), Int32(side), Int32(width), Int32(height), at),
      alignment: 64)
    defer { scratch.deallocate() }
    cp_resize(
      &out, Int32(side), Int32(side), pixels, Int32(width), Int32(height), at, 0, scratch)
    /// Weights of the source's pixels for one pixel of the result.
    func weights(_ place: Int, _ start: Double, _ size: Double, _ count: Int) -> [Double] {
      let scale = size / Double(side)
      let center = start + (Double(place) + 0.5) * scale
      let all = (0..<count).map { max(0, 1 - abs((Double($0) + 0.5 - center) / max(1, scale))) }
      let sum = all.reduce(0, +)
      return all.map { $0 / sum }
    }
    var most = 0.0
    for y in 0..<side {
      let down = weights(y, at[1], at[3], height)
      for x in 0..<side {
        let across = weights(x, at[0], at[2], width)
        for channel in 0..<3 {
          var value = 0.0
          for (row, a) in down.enumerated() where a > 0 {
            for (column, b) in across.enumerated() where b > 0 {
              value += a * b * Double(pixels[4 * (row * width + column) + channel])
            }
          }
          most = max(most, abs(value - Double(out[3 * (y * side + x) + channel])))
        }
      }
    }
    // Rounded twice: between the two directions, and at the end.
    #expect(most <= 1.01)
  }

  /// The parts of a JPEG that are not wanted are not decoded: the others have the same pixels.
  @Test(arguments: ["colour.jpg", "full-colour.jpg", "half-colour.jpg", "progressive.jpg"])
  func aPartIsDecodedAsTheWholeIs(name: String) throws {
    let bytes = try PictureTests.bytes(name)
    let whole = try resized(bytes, .init(x: 0, y: 0, width: 150, height: 110), 110)
    #expect(!whole.isEmpty)
    for (x, y) in [(0, 0), (17, 5), (61, 40), (101, 63)] {
      // At its own size nothing is filtered: pixels of the file.
      let part = try resized(bytes, .init(x: x, y: y, width: 40, height: 40), 40)
      let again = try resized(
        bytes, .init(x: x - min(x, 9), y: y - min(y, 4), width: 49, height: 49), 49)
      for row in 0..<40 {
        let from = 3 * ((row + min(y, 4)) * 49 + min(x, 9))
        #expect(
          Array(part[(3 * 40 * row)..<(3 * 40 * (row + 1))]) == Array(again[from..<from + 120]))
      }
    }
  }

  /// Of a progressive file the whole is decoded: colour-in-passes.jpg has the coefficients of colour.jpg
  /// (`jpegtran -progressive`). At a smaller scale too, a part has the pixels of the whole.
  @Test(arguments: [Int32(1), 2, 4, 8]) func aScaledPartIsDecodedAsTheWholeIs(mostScale: Int32)
    throws
  {
    let (sequential, progressive) = (
      try PictureTests.bytes("colour.jpg"), try PictureTests.bytes("colour-in-passes.jpg")
    )
    for box in [(0, 0, 150, 110), (31, 17, 90, 70), (75, 40, 64, 64), (5, 60, 130, 50)] {
      let box = PictureFile.Box(x: box.0, y: box.1, width: box.2, height: box.3)
      for side in [5, 8, 12, 30] {
        #expect(
          try resized(sequential, box, side, mostScale: mostScale)
            == resized(progressive, box, side, mostScale: mostScale), "\(box), \(side)")
      }
    }
  }

  @Test func aSmallCopyIsDecodedAtASmallerScaleAndLooksAlike() throws {
    let bytes = try PictureTests.bytes("colour.jpg")
    let box = PictureFile.Box(x: 3, y: 1, width: 144, height: 108)
    let exact = try resized(bytes, box, 16)
    let scaled = try resized(bytes, box, 16, mostScale: 8)
    #expect(exact != scaled)
    let differences = zip(exact, scaled).map { abs(Double($0) - Double($1)) }
    #expect(differences.reduce(0, +) / Double(differences.count) < 4)
  }

  @Test func aMirroredPictureIsTheOtherWayRound() throws {
    let bytes = try PictureTests.bytes("colour.png")
    let box = PictureFile.Box(x: 10, y: 10, width: 60, height: 50)
    let plain = try resized(bytes, box, 20)
    let mirrored = try resized(bytes, box, 20, mirrored: true)
    for row in 0..<20 {
      for column in 0..<20 {
        let (from, to) = (3 * (20 * row + column), 3 * (20 * row + 19 - column))
        #expect(plain[from..<from + 3] == mirrored[to..<to + 3])
      }
    }
  }

  /// The same bits on every machine and with every version of a decoder: else stored results would not be
  /// reproducible, and preparationVersion has to be raised.
  @Test func bytesAreThoseOfBefore() throws {
    let random = Philox(seed: 7, purpose: .augmentation)
    let crop = ResizedCrop(["resized_crop": true, "flip": true, "jitter": .number("0.4")])
    var all: [UInt8] = []
    for (place, name) in ["colour.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "palette.png"]
      .enumerated()
    {
      let bytes = try PictureTests.bytes(name)
      for epoch in 0..<2 {
        let draw = crop.draw(place, epoch: epoch, try PictureFile.size(of: bytes), random)
        var out = try resized(bytes, draw.box, 24, mirrored: draw.isMirrored, mostScale: 8)
        let colours = try #require(draw.colours)
        cp_jitter(&out, 24 * 24, colours.factors, colours.order)
        all += out
      }
    }
    #expect(Digest.sha256(of: all).prefix(16) == "60facb711e50107f")
  }

  @Test func cropsAreOfTheAllowedAreaAndShape() {
    let random = Philox(seed: 1, purpose: .augmentation)
    let crop = ResizedCrop(["flip": true])
    let size = PictureFile.Size(width: 500, height: 375)
    var (mirrored, shares) = (0, [Double]())
    for sample in 0..<2000 {
      let draw = crop.draw(sample, epoch: 3, size, random)
      let box = draw.box
      #expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= 500 && box.y + box.height <= 375)
      let ratio = Double(box.width) / Double(box.height)
      #expect(ratio > 0.74 && ratio < 1.35)
      shares.append(Double(box.width * box.height) / (500 * 375))
      mirrored += draw.isMirrored ? 1 : 0
    }
    #expect((shares.min() ?? 0) > 0.078 && (shares.max() ?? 0) <= 1)
    #expect(mirrored > 900 && mirrored < 1100)
    // Another epoch has other crops, and the same one the same.
    #expect(crop.draw(5, epoch: 3, size, random) == crop.draw(5, epoch: 3, size, random))
    #expect(crop.draw(5, epoch: 3, size, random) != crop.draw(5, epoch: 4, size, random))
    // What no crop fits is cut in the middle.
    let long = crop.draw(0, epoch: 0, .init(width: 4000, height: 10), random).box
    #expect(long.height == 10 && long.width == 13)
    let middle = ResizedCrop(nil).middle(of: size).box
    #expect(middle == .init(x: 86, y: 23, width: 328, height: 328))
  }

  @Test func filesThatAreNoPicturesSayWhatTheyAre() throws {
    let picture = try PictureTests.bytes("colour.jpg")
    let png = try PictureTests.bytes("colour.png")
    let cases: [([UInt8], String)] = [
      ([], "is empty"), (Array("GIF89a..".utf8), "GIF"), (Array("BM123456".utf8), "BMP"),
      (Array("RIFF1234WEBPVP8 ".utf8), "WebP"), (Array("II*\u{0}....".utf8), "TIFF"),
      (Array("0000ftypheic".utf8), "HEIF"), (Array("hello, world".utf8), "neither"),
      (Array(picture.prefix(700)), ""), (Array(picture.dropLast(2000)), ""),
      (Array(png.prefix(20)), ""), (Array(png.dropLast(2000)), ""),
    ]
    for (bytes, part) in cases {
      #expect {
        try PictureFile.verify(bytes)
      } throws: {
        guard let fault = $0 as? PictureFile.Fault else { return false }
        return !fault.reason.isEmpty && (part.isEmpty || fault.reason.contains(part))
      }
    }
    // A box outside of the picture is an error, and no reading beside it.
    #expect(throws: PictureFile.Fault.self) {
      _ = try resized(picture, .init(x: 100, y: 0, width: 60, height: 60), 8)
    }
  }

  /// Bytes changed at random: an error or pixels, and never the end of the process.
  @Test func brokenFilesEndNothing() throws {
    let random = Philox(seed: 11, purpose: .syntheticData)
    for (place, name) in ["colour.jpg", "progressive.jpg", "cmyk.jpg", "palette.png", "alpha.png"]
      .enumerated()
    {
      let whole = try PictureTests.bytes(name)
      for round in 0..<60 {
        var bytes = whole
        for change in 0..<4 {
          let counter = UInt64(((place * 60) + round) * 8 + change)
          bytes[random.below(bytes.count, counter, stream: 1)] = UInt8(
            random.below(256, counter, stream: 2))
        }
        if round % 3 == 0 { bytes.removeLast(random.below(bytes.count, UInt64(round), stream: 3)) }
        do {
          try PictureFile.verify(bytes)
          let size = try PictureFile.size(of: bytes)
          _ = try resized(
            bytes, .init(x: 0, y: 0, width: min(40, size.width), height: min(40, size.height)), 8)
        } catch is PictureFile.Fault {}
      }
    }
  }
}
