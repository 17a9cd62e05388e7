import Foundation

/// An array of NumPy's format .npy, versions 1 to 3: a header that names type and shape, then the elements
/// row by row. Arrays of Python objects are refused: reading them would run what is written in them.
package struct NumPyArray {
  enum Element: Equatable {
    case unsigned(bytes: Int)
    case signed(bytes: Int)
    case float(bytes: Int)

    var bytes: Int {
      switch self {
      case .unsigned(let bytes), .signed(let bytes), .float(let bytes): bytes
      }
    }
  }

  let element: Element
  package let shape: [Int]
  private let isBigEndian: Bool
  private let bytes: [UInt8]
  /// Where the elements begin.
  private let body: Int

  /// Elements.
  var count: Int { shape.reduce(1, *) }

  /// `name` stands in errors.
  package init(_ bytes: [UInt8], _ name: String) throws(DatasetError) {
    func damaged(_ reason: String) -> DatasetError { .damaged(file: name, reason: reason) }
    guard bytes.starts(with: [0x93] + Array("NUMPY".utf8)), bytes.count >= 12 else {
      throw damaged("is no NumPy array")
    }
    // The header's length has two bytes in version 1 and four in later ones.
    let lengthBytes = bytes[6] == 1 ? 2 : 4
    guard (1...3).contains(bytes[6]) else { throw damaged("has version \(bytes[6]) of the format") }
    let length = (0..<lengthBytes).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
    body = 8 + lengthBytes + length
    guard body <= bytes.count else { throw damaged("is cut inside of its header") }
    let header = String(decoding: bytes[(8 + lengthBytes)..<body], as: UTF8.self)
    guard let description = header.firstMatch(of: /'descr':\s*'([<>|=])([a-zA-Z])(\d*)'/) else {
      throw damaged("has elements of several fields; save plain numbers")
    }
    guard let element = NumPyArray.element(description.2, Int(description.3)) else {
      throw damaged(
        description.2 == "O"
          ? "holds Python objects, which are not read, since they may run programs; save plain numbers"
          : "holds elements of type \(description.2)\(description.3); integers and floats are read")
    }
    self.element = element
    isBigEndian = description.1 == ">"
    guard header.contains(/'fortran_order':\s*False/) else {
      throw damaged("is stored column by column; save np.ascontiguousarray(...)")
    }
    guard let sizes = header.firstMatch(of: /'shape':\s*\(([\d,\sL]*)\)/) else {
      throw damaged("has no shape")
    }
    // Python 2 wrote an L behind large numbers.
    let lengths = sizes.1.split(separator: ",").map {
      $0.trimmingCharacters(in: CharacterSet(charactersIn: " \tL"))
    }.filter { !$0.isEmpty }
    shape = lengths.compactMap { Int($0) }
    guard shape.count == lengths.count else {
      throw damaged("says that it has \(lengths) elements")
    }
    var size = element.bytes
    for length in shape {
      let (product, isTooLarge) = size.multipliedReportingOverflow(by: length)
      guard !isTooLarge else { throw damaged("says that it has \(shape) elements") }
      size = product
    }
    guard size == bytes.count - body else {
      throw damaged("has \(bytes.count - body) bytes of elements; its shape \(shape) needs \(size)")
    }
    self.bytes = bytes
  }

  private static func element(_ kind: Substring, _ bytes: Int?) -> Element? {
    switch (kind, bytes) {
    case ("b", 1?): .unsigned(bytes: 1)
    case ("u", let bytes?) where [1, 2, 4, 8].contains(bytes): .unsigned(bytes: bytes)
    case ("i", let bytes?) where [1, 2, 4, 8].contains(bytes): .signed(bytes: bytes)
    case ("f", let bytes?) where [4, 8].contains(bytes): .float(bytes: bytes)
    default: nil
    }
  }

  /// The bits of an element, lowest first.
  private func bits(_ index: Int) -> UInt64 {
    let width = element.bytes
    let start = body + index * width
    var bits: UInt64 = 0
    for byte in 0..<width {
      bits |= UInt64(bytes[start + byte]) << UInt64(8 * (isBigEndian ? width - 1 - byte : byte))
    }
    return bits
  }

  /// The elements as whole numbers; nil where they are floats, or one does not fit.
  var integers: [Int]? {
    switch element {
    case .float: return nil
    case .unsigned:
      let numbers = (0..<count).compactMap { Int(exactly: bits($0)) }
      return numbers.count == count ? numbers : nil
    case .signed(let width):
      let unused = UInt64(64 - 8 * width)
      return (0..<count).map { Int(Int64(bitPattern: bits($0) << unused) >> Int64(unused)) }
    }
  }

  /// The elements as bytes; nil where they are of another type.
  var pixels: ArraySlice<UInt8>? {
    element == .unsigned(bytes: 1) ? bytes[body...] : nil
  }

  /// The elements as they are stored, or rounded to single precision.
  var floats: [Float] {
    guard element == .float(bytes: 4), !isBigEndian else {
      return (0..<count).map { Float(value($0)) }
    }
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      UnsafeMutableRawBufferPointer(buffer).copyBytes(from: bytes[body...])
      initialized = count
    }
  }

  /// An element as a number.
  private func value(_ index: Int) -> Double {
    let bits = bits(index)
    switch element {
    case .unsigned: return Double(bits)
    case .signed(let width):
      let unused = UInt64(64 - 8 * width)
      return Double(Int64(bitPattern: bits << unused) >> Int64(unused))
    case .float(4): return Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
    case .float: return Double(bitPattern: bits)
    }
  }
}
