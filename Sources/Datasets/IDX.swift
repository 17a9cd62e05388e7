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

  /// The four files of a set: training images, training labels, test images, test labels. The set is absent
  /// where its folder is; a folder that lacks one of the files is damaged.
  static func files(
    in folder: String, prefix: String, of dataset: String, _ folders: DataFolders
  ) throws(DatasetError) -> [String] {
    let place = try folders.find(folder, of: dataset)
    var files: [String] = []
    for (splits, content) in [
      (["train"], "images-idx3-ubyte"), (["train"], "labels-idx1-ubyte"),
      (["t10k", "test"], "images-idx3-ubyte"), (["t10k", "test"], "labels-idx1-ubyte"),
    ] {
      let names = splits.flatMap { split in
        [".gz", ""].map { "\(prefix)\(split)-\(content)\($0)" }
      }
      var found: String?
      for name in names where found == nil {
        do throws(DatasetError) {
          found = try folders.find("\(folder)/\(name)", of: dataset)
        } catch {
          guard case .absent = error else { throw error }
        }
      }
      guard let found else { throw .damaged(file: place, reason: "lacks \(names[0])") }
      files.append(found)
    }
    return files
  }
}
