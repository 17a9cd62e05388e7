import Experiments
import Tensors
import Values

/// CSV files with a header: numeric columns are features, one column is the label.
package struct Table: DatasetKind {
  package let name = "csv"
  package let places: Set = ["path"]
  package let fields: [ObjectShape.Field] = [
    .init("path", .text, "csv: the file, relative to a data folder of the worker."),
    .init("label", .text, "csv: the label's column; the last one by default."),
  ]

  package init() {}

  package func members(
    of node: JSON, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    let file = DatasetSpec.place(node, "path", of: name, at: path, problems: &problems)
    return [
      file.map { .init("path", .string($0)) },
      node["label"]?.stringValue.map { .init("label", .string($0)) },
    ].compactMap { $0 }
  }

  /// A field as text: its characters, the string's header, its place in a row.
  private static let textMemory = 40

  package func memory(
    _ spec: DatasetSpec, _ facts: DatasetFacts
  ) -> (loaded: Int, loading: Int) {
    let numbers = (facts.train + facts.test) * facts.sampleSize
    let loaded = 4 * numbers + facts.labelBytes
    return (loaded, loaded + Table.textMemory * numbers)
  }

  package func files(
    of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [String] { [try folders.find(spec.words, of: name)] }

  /// Larger files do not belong into memory as text.
  private static let sizeLimit = 512 << 20

  /// Insists on a digest where one is given.
  package func load(
    _ spec: DatasetSpec, digest planned: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let file = try files(of: spec, in: folders)[0]
    let bytes = try contents(of: file, limit: Table.sizeLimit)
    let digest = contentDigest([bytes])
    try spec.insist(digest, is: planned)
    let table = try TableText(bytes, file: file)
    let label = try Table.labelColumn(table.header, spec["label"]?.stringValue, file)
    guard table.rows.count >= 2 else {
      throw .damaged(file: file, reason: "has fewer than two rows")
    }
    let classes = try ClassLabels(
      table.rows.map { ($0.fields[label], $0.line) }, column: table.header[label], file: file)
    let split = try Split(spec, rows: table.rows.count)
    let columns = table.header.indices.filter { $0 != label }
    var features: [[Float]] = []
    for column in columns {
      features.append(try Table.feature(column, of: table, trainedOn: split.trained, file))
    }
    func samples(_ rows: [Int]) -> Samples {
      Samples(
        storage: .floats(rows.flatMap { row in features.map { $0[row] } }),
        labels: rows.map { classes.labels[$0] })
    }
    let facts = DatasetFacts(
      train: split.train.count, test: split.test.count, height: 1, width: 1,
      channels: columns.count, classes: classes.classes, digest: digest)
    return try Dataset(
      spec: spec, facts: facts, train: samples(split.train), test: samples(split.test))
  }

  /// Rows of the training split, of the test split, and those of the former that are trained on.
  private struct Split {
    let train: [Int]
    let test: [Int]
    let trained: [Int]

    init(_ spec: DatasetSpec, rows: Int) throws(DatasetError) {
      let held = try Wanted.test(spec.test ?? max(rows / 5, 1)).count(of: rows - 1)
      let order = Philox(seed: 0, purpose: .holdOut).permutation(of: rows, stream: 0).map(Int.init)
      let count = try Wanted.train(spec.train).count(of: rows - held)
      let train = order[..<count].sorted()
      trained = try HoldOut(spec.validation, of: count).trained.map { train[Int($0)] }
      self.train = train
      test = order[(rows - held)...].sorted()
    }
  }

  private static func labelColumn(
    _ header: [String], _ name: String?, _ file: String
  ) throws(DatasetError) -> Int {
    guard header.count >= 2 else {
      throw .damaged(file: file, reason: "has fewer than two columns")
    }
    guard let name else { return header.count - 1 }
    let columns = header.indices.filter { header[$0] == name }
    guard let column = columns.first else {
      throw .damaged(
        file: file,
        reason: "has no column \"\(name)\"\(hint(name, among: header)); it has "
          + shortened(header.prefix(50).joined(separator: ", "), to: 1000))
    }
    guard columns.count == 1 else {
      throw .damaged(file: file, reason: "has \(columns.count) columns \"\(name)\"")
    }
    return column
  }

  /// One column, standardized over some of the rows.
  private static func feature(
    _ column: Int, of table: TableText, trainedOn rows: [Int], _ file: String
  ) throws(DatasetError) -> [Float] {
    let name = shortened(table.header[column], to: 60)
    func place(_ row: Int) -> String {
      "line \(table.rows[row].line), column \"\(name)\": \"\(table.rows[row].fields[column].prefix(40))\""
    }
    var values: [Double] = []
    values.reserveCapacity(table.rows.count)
    for row in table.rows.indices {
      guard let value = Double(table.rows[row].fields[column]), value.isFinite else {
        throw .damaged(file: file, reason: "\(place(row)) is no finite number")
      }
      values.append(value)
    }
    let scale = Standardization(over: rows.map { values[$0] })
    var features: [Float] = []
    features.reserveCapacity(values.count)
    for (row, value) in values.enumerated() {
      guard let feature = scale.feature(value) else {
        throw .damaged(
          file: file,
          reason: "\(place(row)) cannot be standardized: it is too far from the rows trained on")
      }
      features.append(feature)
    }
    return features
  }
}
