/// The IDX format of MNIST: two zero bytes, the type 8 (bytes), the number of dimensions, their sizes
/// as big-endian 32-bit numbers, then the values.
package enum IDX {
  /// Reads a file's bytes; `name` stands in errors.
  package static func parse(
    _ bytes: [UInt8], dimensions: Int, _ name: String
  ) throws(DatasetError) -> (sizes: [Int], body: ArraySlice<UInt8>) {
    let header = 4 + 4 * dimensions
    guard bytes.count >= header, bytes[0] == 0, bytes[1] == 0, bytes[2] == 8, bytes[3] == dimensions
    else {
      throw .damaged(file: name, reason: "is no IDX file of \(dimensions) dimensions of bytes")
    }
    let sizes = (0..<dimensions).map { d in
      (0..<4).reduce(0) { $0 << 8 | Int(bytes[4 + 4 * d + $1]) }
    }
    var (count, isTooLarge) = (1, false)
    for size in sizes {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      (count, isTooLarge) = (product, isTooLarge || overflow)
    }
    guard !isTooLarge, count == bytes.count - header else {
      throw .damaged(file: name, reason: "does not have the size that its header says")
    }
    return (sizes, bytes[header...])
  }
}
