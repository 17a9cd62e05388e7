import Experiments
import Tensors
import Values

/// CSV files with a header: numeric columns are features, one column is the label.
enum Table {
  /// Larger files do not belong into memory as text.
  private static let sizeLimit = 512 << 20

  /// Insists on a digest where one is given.
  static func load(
    _ path: String, _ label: String?, _ spec: DatasetSpec, _ planned: String?,
    _ folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let file = try folders.find(path, of: spec.name.rawValue)
    let bytes = try contents(of: file, limit: sizeLimit)
    let digest = contentDigest([bytes])
    try spec.insist(digest, is: planned)
    let table = try TableText(bytes, file: file)
    let label = try labelColumn(table.header, label, file)
    guard table.rows.count >= 2 else {
      throw .damaged(file: file, reason: "has fewer than two rows")
    }
    let classes = try ClassLabels(
      table.rows.map { ($0.fields[label], $0.line) }, column: table.header[label], file: file)
    let split = try Split(spec, rows: table.rows.count)
    let columns = table.header.indices.filter { $0 != label }
    var features: [[Float]] = []
    for column in columns {
      features.append(try feature(column, of: table, trainedOn: split.trained, file))
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
