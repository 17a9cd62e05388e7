import Experiments
import Foundation
import Values

/// Arrays that NumPy has saved: one .npz file, or a folder of .npy files, with pictures or vectors and a
/// label for each.
package struct ArrayFiles: DatasetKind {
  package let name = "arrays"
  package let places: Set = ["path"]
  package let uses: Set = [PictureAugmentation.key]

  private static let parts = ["x_train", "y_train", "x_test", "y_test"]
  private static let layout = DocumentField.word(
    "layout", ["nhwc", "nchw"], default: "nhwc",
    "arrays: whether a picture's channels are its last dimension or its first one")

  package let fields: [ObjectShape.Field] =
    [
      .init(
        "path", .text,
        "arrays: the .npz file, or the folder of .npy files, relative to a data folder of the worker."
      )
    ]
    + ArrayFiles.parts.map {
      .init($0, .text, "arrays: the name of the array \($0), where it is another one.")
    } + [ArrayFiles.layout.field, PictureAugmentation.field]

  package init() {}

  package func members(
    of node: JSON, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    var members = DatasetSpec.place(node, "path", of: name, at: path, problems: &problems)
    for part in ArrayFiles.parts {
      guard let written = node[part]?.stringValue, written != part else { continue }
      if written.contains("/") || written.isEmpty {
        problems.append(Problem(join(path, part), "found \"\(written)\"; it names an array"))
      }
      members.append(.init(part, .string(written)))
    }
    if ArrayFiles.layout.value(in: node) != "nhwc" {
      members.append(ArrayFiles.layout.member(ArrayFiles.layout.value(in: node)))
    }
    return members
      + PictureAugmentation.members(of: node, of: name, at: path, problems: &problems)
  }

  /// An array may be in its file as numbers of eight bytes, of which four stay.
  package func memory(
    _ spec: DatasetSpec, _ facts: DatasetFacts
  ) -> (loaded: Int, loading: Int) {
    let numbers = (facts.train + facts.test) * facts.sampleSize
    let loaded = 4 * numbers + facts.labelBytes
    return (loaded, loaded + 12 * numbers + 4 * facts.labelBytes)
  }

  package func files(
    of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [String] {
    let place = try folders.find(spec.words, of: name)
    guard FileList.isFolder(place) else { return [place] }
    var files: [String] = []
    for part in ArrayFiles.parts {
      let path = "\(spec.words)/\(spec[part]?.stringValue ?? part).npy"
      do throws(DatasetError) {
        files.append(try folders.find(path, of: name))
      } catch {
        guard case .absent = error else { throw error }
        // Without both of the test split, samples are held out.
        guard part.hasSuffix("_test"), spec[part] == nil else {
          throw .damaged(file: place, reason: "lacks \(spec[part]?.stringValue ?? part).npy")
        }
      }
    }
    guard files.count != 3 else {
      throw .damaged(file: place, reason: "has one of x_test and y_test only")
    }
    return files
  }

  /// Larger arrays do not belong into memory.
  private static let sizeLimit = 1 << 32

  package func load(
    _ spec: DatasetSpec, digest planned: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let files = try files(of: spec, in: folders)
    var arrays: [(name: String, bytes: [UInt8])] = []
    if files.count == 1 {
      arrays = try ArrayFiles.members(of: files[0], spec)
    } else {
      for file in files {
        arrays.append((file, try contents(of: file, limit: ArrayFiles.sizeLimit)))
      }
    }
    // Each array is hashed by itself: two sets of arrays may have the same bytes one after the other.
    let digest = contentDigest(arrays.map { Array(contentDigest([$0.bytes]).utf8) })
    try spec.insist(digest, is: planned)
    func samples(_ place: Int) throws(DatasetError) -> ArraySamples {
      try ArrayFiles.samples(
        NumPyArray(arrays[place].bytes, arrays[place].name), of: arrays[place].name,
        labels: NumPyArray(arrays[place + 1].bytes, arrays[place + 1].name),
        of: arrays[place + 1].name, channelsFirst: spec[ArrayFiles.layout.key] == "nchw")
    }
    return try Dataset(
      spec, samples(0), arrays.count == 4 ? samples(2) : nil, digest: digest)
  }

  private static func members(
    of file: String, _ spec: DatasetSpec
  ) throws(DatasetError) -> [(name: String, bytes: [UInt8])] {
    let archive = try ZipArchive(file)
    let names = Set(archive.names)
    var arrays: [(name: String, bytes: [UInt8])] = []
    for part in parts {
      let name = (spec[part]?.stringValue ?? part) + ".npy"
      guard names.contains(name) else {
        guard part.hasSuffix("_test"), spec[part] == nil else {
          let present = names.sorted().map { $0.replacing(/\.npy$/, with: "") }
          throw .damaged(
            file: file,
            reason: "has no array \(name.dropLast(4)); it has "
              + "\(TableColumns.listed(present)); \"\(part)\" names another one")
        }
        continue
      }
      arrays.append(("\(file):\(name)", try archive.contents(name, limit: sizeLimit)))
    }
    guard arrays.count != 3 else {
      throw .damaged(file: file, reason: "has one of x_test and y_test only")
    }
    return arrays
  }

  // MARK: - Shapes

  /// A picture of bytes has no more.
  private static let mostChannels = 1024

  private static func samples(
    _ x: NumPyArray, of name: String, labels y: NumPyArray, of labelName: String,
    channelsFirst: Bool
  ) throws(DatasetError) -> ArraySamples {
    guard let labels = y.integers else {
      throw .damaged(file: labelName, reason: "holds no whole numbers: labels are classes")
    }
    guard y.shape.count == 1 || y.shape.dropFirst().allSatisfy({ $0 == 1 }) else {
      throw .damaged(
        file: labelName,
        reason: "has the shape \(y.shape); a sample has one label (of one-hot rows, save argmax)")
    }
    guard let count = x.shape.first, count == labels.count else {
      throw .damaged(
        file: name, reason: "has the shape \(x.shape), and there are \(labels.count) labels")
    }
    // The dimensions of an empty array may be so large that their product overflows.
    guard x.count > 0 else {
      throw .damaged(file: name, reason: "has the shape \(x.shape): it is empty")
    }
    let (height, width, channels) = try sizes(x.shape, name, channelsFirst)
    guard x.pixels == nil || height == 1 && width == 1 || channels <= mostChannels else {
      throw .damaged(
        file: name,
        reason: "has the shape \(x.shape): pictures have \(mostChannels) channels at most")
    }
    let planes = channelsFirst && x.shape.count == 4 ? channels : 1
    let isVector = height == 1 && width == 1
    // A vector's numbers have scales of their own, whatever their type.
    let values: ArraySamples.Values =
      if let pixels = x.pixels, !isVector {
        .pixels(planes > 1 ? ArraySlice(turned(pixels, count, planes, 0)) : pixels)
      } else {
        .floats(planes > 1 ? turned(ArraySlice(x.floats), count, planes, 0) : x.floats)
      }
    return ArraySamples(
      file: name, values: values, labels: labels, height: height, width: width, channels: channels)
  }

  private static func sizes(
    _ shape: [Int], _ name: String, _ channelsFirst: Bool
  ) throws(DatasetError) -> (height: Int, width: Int, channels: Int) {
    switch shape.count {
    case 2: return (1, 1, shape[1])
    case 3: return (shape[1], shape[2], 1)
    case 4 where channelsFirst: return (shape[2], shape[3], shape[1])
    case 4:
      guard [1, 3].contains(shape[3]) || ![1, 3].contains(shape[1]) else {
        throw .damaged(
          file: name,
          reason: "has the shape \(shape): if the channels come first, write \"layout\": \"nchw\"")
      }
      return (shape[1], shape[2], shape[3])
    default:
      throw .damaged(
        file: name,
        reason: "has the shape \(shape); read are (n, features), (n, height, width) and "
          + "(n, height, width, channels)")
    }
  }

  /// [n][channels][pixels] as [n][pixels][channels].
  private static func turned<Value>(
    _ values: ArraySlice<Value>, _ count: Int, _ planes: Int, _ zero: Value
  ) -> [Value] {
    let size = values.count / max(count * planes, 1)
    var turned = [Value](repeating: zero, count: values.count)
    for sample in 0..<count {
      let start = sample * planes * size
      for plane in 0..<planes {
        for pixel in 0..<size {
          turned[start + pixel * planes + plane] =
            values[values.startIndex + start + plane * size + pixel]
        }
      }
    }
    return turned
  }
}
