import Foundation
import Values

/// The complete state of a stage at one point, as named arrays and text: the content of a file.
package struct Checkpoint: Sendable, Equatable {
  package enum Element: String, Sendable {
    case float32 = "F32"
    case float64 = "F64"
    case bytes = "U8"

    var width: Int {
      switch self {
      case .float64: 8
      case .float32: 4
      case .bytes: 1
      }
    }
  }

  package struct NamedArray: Sendable, Equatable {
    package let name: String
    package let element: Element
    package let shape: [Int]
    /// Little-endian.
    package let bytes: [UInt8]

    package init(_ name: String, shape: [Int], floats: UnsafeBufferPointer<Float>) {
      precondition(
        shape.reduce(1, *) == floats.count, "\(name): \(shape) for \(floats.count) numbers")
      self.name = name
      self.shape = shape
      element = .float32
      bytes = Array(UnsafeRawBufferPointer(floats))
    }

    package init(_ name: String, doubles: [Double]) {
      self.name = name
      shape = [doubles.count]
      element = .float64
      bytes = doubles.withUnsafeBytes { Array($0) }
    }

    package init(_ name: String, bytes: [UInt8]) {
      self.name = name
      shape = [bytes.count]
      element = .bytes
      self.bytes = bytes
    }

    init(_ name: String, element: Element, shape: [Int], bytes: [UInt8]) {
      self.name = name
      self.element = element
      self.shape = shape
      self.bytes = bytes
    }

    package var floats: [Float]? {
      guard element == .float32 else { return nil }
      return bytes.withUnsafeBytes { raw in
        (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
      }
    }

    package var doubles: [Double]? {
      guard element == .float64 else { return nil }
      return bytes.withUnsafeBytes { raw in
        (0..<raw.count / 8).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
      }
    }
  }

  package var metadata: [String: String]
  package var arrays: [NamedArray]

  package init(metadata: [String: String], arrays: [NamedArray]) {
    self.metadata = metadata
    self.arrays = arrays
  }

  package subscript(name: String) -> NamedArray? { arrays.first { $0.name == name } }

  // MARK: - The safetensors layout

  /// Nil beyond all memory.
  private static func byteCount(_ element: Element, _ shape: [Int]) -> Int? {
    var count = element.width
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      if overflow { return nil }
      count = product
    }
    return count
  }

  /// The file's content before compression.
  package var safetensors: [UInt8] { pieces.flatMap { $0 } }

  /// The length of the header as eight bytes; the header, JSON padded with spaces to a multiple of
  /// eight; the arrays one behind the other.
  /// What the file consists of, before compression.
  var pieces: [[UInt8]] {
    let ordered = ordered
    return [header(ordered)] + ordered.map(\.bytes)
  }

  /// Bytes of all pieces.
  package var byteCount: Int { pieces.reduce(0) { $0 + $1.count } }

  /// Wide elements first: every array is then aligned to its element.
  private var ordered: [NamedArray] {
    [Element.float64, .float32, .bytes].flatMap { element in
      arrays.filter { $0.element == element }
    }
  }

  private func header(_ ordered: [NamedArray]) -> [UInt8] {
    var offset = 0
    var members: [JSON.Member] = [
      .init(
        "__metadata__",
        .object(metadata.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }))
    ]
    for array in ordered {
      members.append(
        .init(
          array.name,
          [
            "dtype": .string(array.element.rawValue),
            "shape": .array(array.shape.map(JSON.integer)),
            "data_offsets": [.integer(offset), .integer(offset + array.bytes.count)],
          ]))
      offset += array.bytes.count
    }
    var header = Array(JSON.object(members).encoded().utf8)
    header += Array(repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
  }

  /// Reads an exported file. `limit` bounds its bytes.
  package init(exported file: String, limit: Int = 1 << 33) throws(CheckpointError) {
    let bytes: [UInt8]
    guard let handle = FileHandle(forReadingAtPath: file) else {
      throw .unreadable(file: file, reason: String(cString: strerror(errno)))
    }
    do { bytes = [UInt8](try handle.read(upToCount: limit) ?? Data()) } catch {
      throw .unreadable(file: file, reason: error.localizedDescription)
    }
    do { try self.init(safetensors: bytes) } catch {
      throw .unreadable(file: file, reason: "as a safetensors file, it \(error.reason)")
    }
  }

  /// Reads the layout back; `reason` says what is wrong with it.
  struct LayoutError: Error { let reason: String }

  init(safetensors bytes: [UInt8]) throws(LayoutError) {
    guard bytes.count >= 8 else { throw LayoutError(reason: "is shorter than a header") }
    let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard length <= UInt64(bytes.count - 8), length < 1 << 24 else {
      throw LayoutError(reason: "has a header longer than itself")
    }
    let start = 8 + Int(length)
    let header: JSON
    do { header = try JSON(parsing: Array(bytes[8..<start])) } catch {
      throw LayoutError(reason: "has a broken header: \(error)")
    }
    metadata = [:]
    arrays = []
    // Ranges that overlap could ask for any multiple of the file.
    var total = 0
    for member in header.members ?? [] {
      if member.key == "__metadata__" {
        for entry in member.value.members ?? [] { metadata[entry.key] = entry.value.stringValue }
        continue
      }
      guard let element = member.value["dtype"]?.stringValue.flatMap(Element.init(rawValue:)),
        let shape = member.value["shape"]?.items?.compactMap(\.intValue),
        let ends = member.value["data_offsets"]?.items?.compactMap(\.intValue), ends.count == 2,
        0 <= ends[0], ends[0] <= ends[1], ends[1] <= bytes.count - start,
        shape.count == member.value["shape"]?.items?.count, shape.allSatisfy({ $0 >= 0 }),
        Checkpoint.byteCount(element, shape) == ends[1] - ends[0]
      else {
        throw LayoutError(reason: "describes its array \(shortened(member.key, to: 60)) wrongly")
      }
      total += ends[1] - ends[0]
      guard total <= bytes.count else {
        throw LayoutError(reason: "describes more arrays than it has bytes for")
      }
      arrays.append(
        NamedArray(
          member.key, element: element, shape: shape,
          bytes: Array(bytes[start + ends[0]..<start + ends[1]])))
    }
  }
}
