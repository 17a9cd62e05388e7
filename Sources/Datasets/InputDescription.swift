import Foundation
import Values

/// How files become a network's input, and what its outputs are called: everything besides the parameters
/// that is needed to use a model without the data that it was trained on.
package struct InputDescription: Sendable {
  package enum Form: Sendable {
    /// Pixels of bytes: each channel less its mean, over its deviation. `crop`: the part of a picture's
    /// shorter side that is used, in the middle; nil: the whole picture, stretched.
    case pixels(mean: [Float], deviation: [Float], crop: Double?)
    /// Rows of a table.
    case table(TableOptions, TableCoding)
    /// Numbers of arrays; each channel, or each number of a vector, has a scale.
    case numbers([Standardization])
    /// Numbers that need no scale.
    case plain
  }

  package let height: Int
  package let width: Int
  package let channels: Int
  /// Names of the classes, in the order of the outputs.
  package let classes: [String]
  package let form: Form

  package var size: Int { height * width * channels }

  init(height: Int, width: Int, channels: Int, classes: [String], form: Form) {
    (self.height, self.width, self.channels) = (height, width, channels)
    (self.classes, self.form) = (classes, form)
  }

  /// `[height, width, channels]`, the order of the channels, the names of the classes, and under the form's
  /// name what it needs.
  package var json: JSON {
    var members: [JSON.Member] = [
      .init("shape", .array([height, width, channels].map(JSON.integer))),
      .init("classes", .array(classes.map(JSON.string))),
    ]
    switch form {
    case .pixels(let mean, let deviation, let crop):
      members.append(
        .init(
          "pixels",
          [
            "order": .string(order),
            "mean": .array(mean.map { JSON.real($0) }),
            "deviation": .array(deviation.map { JSON.real($0) }),
            "crop": crop.map { JSON.real($0) } ?? .null,
            "resize": "triangle filter, as wide as a pixel of the result",
          ]))
    case .table(let options, let coding):
      members.append(.init("table", ["options": options.dialectJSON, "columns": coding.json]))
    case .numbers(let scales):
      members.append(.init("numbers", .array(scales.map(\.json))))
    case .plain: break
    }
    return .object(members)
  }

  /// The order of a picture's channels. Pictures in arrays may have any number of channels.
  private var order: String {
    switch channels {
    case 1: "grey"
    case 3: "red, green, blue"
    default: "as in the arrays"
    }
  }

  /// An input has no more numbers.
  private static let mostNumbers = 1 << 24

  package struct Invalid: Error, CustomStringConvertible {
    package let description: String
  }

  /// Reads what `json` has written.
  package init(_ node: JSON) throws(Invalid) {
    let shape = node["shape"]?.items?.compactMap(\.intValue) ?? []
    let classes = node["classes"]?.items?.compactMap(\.stringValue) ?? []
    guard shape.count == 3, shape.allSatisfy({ (1...InputDescription.mostNumbers).contains($0) }),
      shape[0] <= InputDescription.mostNumbers / shape[1] / shape[2], classes.count >= 2
    else { throw Invalid(description: "the description of its inputs lacks shape or classes") }
    (height, width, channels) = (shape[0], shape[1], shape[2])
    self.classes = classes
    if let pixels = node["pixels"] {
      func numbers(_ key: String) -> [Float] {
        pixels[key]?.items?.compactMap { $0.doubleValue.map(Float.init) } ?? []
      }
      let crop = pixels["crop"]?.doubleValue
      guard numbers("mean").count == shape[2], numbers("deviation").count == shape[2],
        numbers("deviation").allSatisfy({ $0 > 0 }), crop.map({ $0 > 0 && $0 <= 1 }) ?? true
      else { throw Invalid(description: "the description of its pixels lacks numbers") }
      form = .pixels(mean: numbers("mean"), deviation: numbers("deviation"), crop: crop)
    } else if let table = node["table"] {
      let options = TableOptions(table["options"] ?? .null)
      guard let coding = TableCoding(table["columns"] ?? .null, options), coding.width == shape[2]
      else {
        throw Invalid(
          description: "the description of its columns does not give \(shape[2]) features")
      }
      form = .table(options, coding)
    } else if let items = node["numbers"]?.items {
      let scales = items.compactMap { Standardization($0) }
      guard scales.count == items.count, scales.count == shape[2] else {
        throw Invalid(description: "the description of its numbers lacks scales")
      }
      form = .numbers(scales)
    } else {
      form = .plain
    }
  }
}

// MARK: - Files that somebody wants classified

extension InputDescription {
  /// The inputs of a file, one after the other: a picture, the rows of a table, or the samples of an array.
  /// `name` says which one an input is.
  package func read(
    _ file: String
  ) throws(DatasetError) -> [(name: String, input: [Float])] {
    let bytes = try contents(of: file, limit: 1 << 31)
    if bytes.starts(with: [0x93] + Array("NUMPY".utf8)) { return try array(bytes, file) }
    switch form {
    case .pixels: return [(file, try picture(bytes, file))]
    case .table(let options, let coding): return try rows(bytes, options, coding, file)
    case .numbers, .plain:
      throw .damaged(file: file, reason: "is no .npy file, and the network was trained on arrays")
    }
  }

  private func picture(_ bytes: [UInt8], _ file: String) throws(DatasetError) -> [Float] {
    guard case .pixels(_, _, let crop) = form else { return [] }
    var pixels = [UInt8](repeating: 0, count: 3 * height * width)
    do throws(PictureFile.Fault) {
      let size = try PictureFile.size(of: bytes)
      let box =
        crop.map { PictureFile.Box(middle: $0, of: size) }
        ?? .init(x: 0, y: 0, width: size.width, height: size.height)
      try PictureFile.write(
        &pixels, width: width, height: height, box: box, mirrored: false, of: bytes)
    } catch { throw .damaged(file: file, reason: error.reason) }
    if channels == 3 { return normalized(pixels) }
    guard channels == 1 else {
      throw .damaged(
        file: file, reason: "is a picture, and the network's input has \(channels) channels")
    }
    // Luminance as of ITU-R 601; of a grey picture, its grey.
    return normalized(
      stride(from: 0, to: pixels.count, by: 3).map { place in
        let (red, green, blue) = (
          Int(pixels[place]), Int(pixels[place + 1]), Int(pixels[place + 2])
        )
        return UInt8((299 * red + 587 * green + 114 * blue + 500) / 1000)
      })
  }

  private func normalized(_ pixels: [UInt8]) -> [Float] {
    guard case .pixels(let mean, let deviation, _) = form else { return [] }
    var input = [Float](repeating: 0, count: size)
    Picture.write(
      &input, image: pixels, height: height, width: width, channels: channels, mean: mean,
      inverseDeviation: deviation.map { 1 / $0 }, dy: 0, dx: 0, flip: false)
    return input
  }

  private func rows(
    _ bytes: [UInt8], _ options: TableOptions, _ coding: TableCoding, _ file: String
  ) throws(DatasetError) -> [(name: String, input: [Float])] {
    let text = try TableText(bytes, options, file: file)
    var places: [Int] = []
    for column in coding.columns {
      places.append(try TableColumns.only(column.name, text))
    }
    let survey = try text.survey(places)
    try coding.check(text, places, survey, dropsMissing: false)
    let records = survey.incomplete.count
    var features = [Float](repeating: 0, count: records * channels)
    var coding = coding
    try features.withUnsafeMutableBufferPointer { buffer throws(DatasetError) in
      let target = TableCoding.Target(
        train: buffer, test: .init(start: nil, count: 0), places: Array(0..<Int32(records)))
      try coding.write(
        text, places, TableRows(count: records, kept: nil), to: target, fitted: nil)
    }
    return (0..<records).map { row in
      ("\(file):\(row + 1)", Array(features[(row * channels)..<((row + 1) * channels)]))
    }
  }

  private func array(
    _ bytes: [UInt8], _ file: String
  ) throws(DatasetError) -> [(name: String, input: [Float])] {
    let array = try NumPyArray(bytes, file)
    let shape = array.shape
    // One sample, or several; a dimension of one channel may be left out.
    let dimensions = height == 1 && width == 1 ? [channels] : [height, width, channels]
    let allowed = [dimensions] + (channels == 1 ? [dimensions.dropLast()] : [])
    let isOne = allowed.contains(shape)
    guard array.count > 0, isOne || allowed.contains(Array(shape.dropFirst())) else {
      throw .damaged(
        file: file,
        reason: "has the shape \(shape); the network takes (n, "
          + dimensions.map(String.init).joined(separator: ", ") + "), channels last")
    }
    let count = isOne ? 1 : shape[0]
    var inputs: [(name: String, input: [Float])] = []
    let values = array.floats
    for sample in 0..<count {
      let own = values[(sample * size)..<((sample + 1) * size)]
      inputs.append(("\(file):\(sample + 1)", try input(of: own, array, sample, file)))
    }
    return inputs
  }

  private func input(
    of values: ArraySlice<Float>, _ array: NumPyArray, _ sample: Int, _ file: String
  ) throws(DatasetError) -> [Float] {
    switch form {
    case .pixels:
      guard let pixels = array.pixels else {
        throw .damaged(file: file, reason: "holds no bytes; the network was trained on bytes")
      }
      let start = pixels.startIndex + sample * size
      return normalized(Array(pixels[start..<(start + size)]))
    case .table:
      throw .damaged(file: file, reason: "is an array; the network takes rows of a CSV file")
    case .plain: return Array(values)
    case .numbers(let scales):
      var input: [Float] = []
      for (place, value) in values.enumerated() {
        guard value.isFinite, let feature = scales[place % channels].feature(Double(value)) else {
          throw .damaged(
            file: file,
            reason: "sample \(sample + 1), number \(place + 1) is \(value), which is not "
              + "finite or too far from the samples trained on")
        }
        input.append(feature)
      }
      return input
    }
  }
}

// MARK: - Columns, as people see them

/// A column of a table: how it is coded.
package struct TableColumnFacts: Sendable {
  package let name: String
  /// "number", "words", and whether missing values are filled in.
  package let kind: String
  package let features: Int
  /// Mean and deviation, or the categories.
  package let values: String
}

extension InputDescription {
  /// Nil where the inputs are no rows of a table.
  package var tableColumns: [TableColumnFacts]? {
    guard case .table(_, let coding) = form else { return nil }
    return coding.columns.map { column in
      let (kind, values) =
        switch column.form {
        case .number(let scale): ("number", scale.words)
        case .word(let categories):
          ("words", shortened(categories.names.joined(separator: ", "), to: 60))
        }
      return TableColumnFacts(
        name: column.name, kind: column.isFilled ? kind + ", filled" : kind,
        features: column.width, values: values)
    }
  }
}
