import Experiments
import Foundation
import SwiftCSV
import Tensors

/// CSV files with a header: numeric columns are features, one column is the label.
enum Table {
  /// Larger files do not belong into memory as text.
  private static let sizeLimit = 512 << 20

  static func load(_ spec: DatasetSpec, _ folders: DataFolders) throws(DatasetError) -> Dataset {
    let file = try folders.find(spec.path ?? "", of: spec.name.rawValue)
    let bytes = try contents(of: file, limit: sizeLimit)
    let digest = contentDigest([bytes])
    let table: EnumeratedCSV
    do {
      table = try EnumeratedCSV(string: String(decoding: bytes, as: UTF8.self), loadColumns: false)
    } catch { throw .damaged(file: file, reason: "is no CSV file: \(error)") }
    let rows = table.rows.filter { $0 != [""] }
    let column = try labelColumn(table.header, spec.label, file)
    let features = try features(rows, table.header, without: column, file)
    let names = Set(rows.map { $0[column] })
    let numbers = names.compactMap { Double($0) }.count == names.count
    let classes = names.sorted { numbers ? Double($0)! < Double($1)! : $0 < $1 }
    guard classes.count >= 2 else {
      throw .damaged(file: file, reason: "its label column has \(classes.count) different values")
    }
    let index = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, Int32($0)) })
    let labels = rows.map { index[$0[column]] ?? 0 }
    let width = table.header.count - 1
    let held = min(max(spec.test ?? rows.count / 5, 1), rows.count - 1)
    let order = Philox(seed: 0, purpose: .holdOut).permutation(of: rows.count, stream: 0).map(
      Int.init)
    let trainRows = Array(order[..<(rows.count - held)].prefix(spec.train ?? .max)).sorted()
    let testRows = order[(rows.count - held)...].sorted()
    let scale = standardization(features, trainRows, width)
    func samples(_ chosen: [Int]) -> Samples {
      let values = chosen.flatMap { row in
        (0..<width).map { Float((features[row * width + $0] - scale[$0].mean) * scale[$0].factor) }
      }
      return Samples(storage: .floats(values), labels: chosen.map { labels[$0] })
    }
    let facts = DatasetFacts(
      train: trainRows.count, test: held, height: 1, width: 1, channels: width,
      classes: classes.count, digest: digest)
    return Dataset(spec: spec, facts: facts, train: samples(trainRows), test: samples(testRows))
  }

  private static func labelColumn(
    _ header: [String], _ name: String?, _ file: String
  ) throws(DatasetError) -> Int {
    guard header.count >= 2 else {
      throw .damaged(file: file, reason: "has fewer than two columns")
    }
    guard let name else { return header.count - 1 }
    guard let column = header.firstIndex(of: name) else {
      throw .damaged(
        file: file, reason: "has no column \"\(name)\"; it has \(header.joined(separator: ", "))")
    }
    return column
  }

  private static func features(
    _ rows: [[String]], _ header: [String], without label: Int, _ file: String
  ) throws(DatasetError) -> [Double] {
    guard rows.count >= 2 else { throw .damaged(file: file, reason: "has fewer than two rows") }
    var values: [Double] = []
    for (index, row) in rows.enumerated() {
      guard row.count == header.count else {
        throw .damaged(
          file: file, reason: "row \(index + 1) has \(row.count) fields, the header \(header.count)"
        )
      }
      // Short rows come padded with empty fields.
      guard !row[label].isEmpty else {
        throw .damaged(file: file, reason: "row \(index + 1) has no label")
      }
      for (column, field) in row.enumerated() where column != label {
        guard let value = Double(field.trimmingCharacters(in: .whitespaces)), value.isFinite else {
          throw .damaged(
            file: file,
            reason:
              "row \(index + 1), column \"\(header[column])\": \"\(field.prefix(40))\" is no number"
          )
        }
        values.append(value)
      }
    }
    return values
  }

  /// Mean and inverse deviation of each column over the training rows; constant columns become 0.
  private static func standardization(
    _ values: [Double], _ rows: [Int], _ width: Int
  ) -> [(mean: Double, factor: Double)] {
    (0..<width).map { column in
      let mean = rows.reduce(0) { $0 + values[$1 * width + column] } / Double(rows.count)
      let square = rows.reduce(0) { $0 + pow(values[$1 * width + column] - mean, 2) }
      let deviation = (square / Double(rows.count)).squareRoot()
      return (mean, deviation > 0 ? 1 / deviation : 0)
    }
  }
}
