import CTables
import Experiments
import Tensors
import Values

/// CSV files: one column is the label, the others are features. Test samples are rows of the same file, or
/// those of a second one.
package struct Table: DatasetKind {
  package let name = "csv"
  package let places: Set = ["path", Table.testPath]

  private static let testPath = "test_path"

  package let fields: [ObjectShape.Field] =
    [
      .init("path", .text, "csv: the file, relative to a data folder of the worker."),
      .init(Table.testPath, .text, "csv: a file of test rows, in place of rows held out."),
    ] + TableOptions.fields

  package init() {}

  package func members(
    of node: JSON, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    var members = DatasetSpec.place(node, "path", of: name, at: path, problems: &problems)
    if node[Table.testPath] != nil {
      members += DatasetSpec.place(
        node, Table.testPath, of: name, at: path, problems: &problems)
    }
    return members + TableOptions.members(of: node, at: path, problems: &problems)
  }

  /// Bytes of a file's text for each number in it, at most, where the text has no longer columns that are
  /// left out; and the numbers that are read at a time.
  private static let textMemory = 24

  package func memory(
    _ spec: DatasetSpec, _ facts: DatasetFacts
  ) -> (loaded: Int, loading: Int) {
    let numbers = (facts.train + facts.test) * facts.sampleSize
    let loaded = 4 * numbers + facts.labelBytes
    return (loaded, loaded + Table.textMemory * numbers)
  }

  package func files(
    of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [String] {
    var files: [String] = []
    for key in ["path", Table.testPath] {
      guard let place = spec[key]?.stringValue else { continue }
      files.append(try folders.find(place, of: name))
    }
    return files
  }

  /// Larger files do not belong into memory as text.
  private static let sizeLimit = 1 << 31

  /// Insists on a digest where one is given.
  package func load(
    _ spec: DatasetSpec, digest planned: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let files = try files(of: spec, in: folders)
    let options = TableOptions(spec)
    let bytes = try contents(of: files[0], limit: Table.sizeLimit)
    let testBytes = try files.dropFirst().first.map { file throws(DatasetError) in
      try contents(of: file, limit: Table.sizeLimit)
    }
    let digest = contentDigest(
      [bytes] + (testBytes.map { [Array(contentDigest([$0]).utf8)] } ?? []))
    try spec.insist(digest, is: planned)
    let text = try TableText(bytes, options, file: files[0])
    let columns = try TableColumns(options, text)
    let table = try Rows(text, columns.features, label: columns.label, options, classes: nil)
    guard let testBytes else {
      return try dataset(spec, columns, table, heldOut: true, nil, digest)
    }
    let testText = try TableText(testBytes, options, file: files[1])
    let places = try columns.inFile(testText, as: text)
    let test = try Rows(
      testText, Array(places.dropFirst()), label: places[0], options, classes: table.labels)
    return try dataset(spec, columns, table, heldOut: false, test, digest)
  }

  /// A file's rows that are used, with their classes.
  private struct Rows {
    let text: TableText
    /// Of the features.
    let columns: [Int]
    let survey: TableText.Survey
    let labels: ClassLabels
    let used: TableRows
    /// Classes of the used rows.
    let classes: [Int32]

    init(
      _ text: TableText, _ columns: [Int], label: Int, _ options: TableOptions,
      classes: ClassLabels?
    ) throws(DatasetError) {
      self.text = text
      self.columns = columns
      survey = try text.survey(columns)
      let incomplete = survey.incomplete
      guard incomplete.count >= (classes == nil ? 2 : 1) else {
        throw .damaged(
          file: text.file, reason: classes == nil ? "has fewer than two rows" : "has no rows")
      }
      var kept = incomplete.map { options.missing == .drop ? 1 - $0 : 1 }
      let least = classes == nil ? 2 : 1
      let all = kept.count
      func refuseFew() throws(DatasetError) {
        let count = kept.count { $0 == 1 }
        guard count < least else { return }
        throw .damaged(
          file: text.file,
          reason: "has \(count) rows without a missing value, of \(all); leave columns out with "
            + "\"columns\", or write \"missing\": \"mean\"")
      }
      try refuseFew()
      labels =
        if let classes {
          try ClassLabels(text, column: label, kept: &kept, options.missing, of: classes)
        } else {
          try ClassLabels(text, column: label, kept: &kept, options.missing)
        }
      // Labels may have been missing too.
      try refuseFew()
      let count = kept.count { $0 == 1 }
      used = TableRows(count: count, kept: count == kept.count ? nil : kept)
      self.classes =
        used.kept == nil
        ? labels.classes
        : kept.indices.filter { kept[$0] == 1 }.map { [labels] in labels.classes[$0] }
    }
  }

  /// Rows of the training split and of the test split, in the order of the file, and those of the former
  /// that are trained on.
  private struct Split {
    let train: [Int32]
    let test: [Int32]
    let trained: [Int32]

    init(_ spec: DatasetSpec, rows: Int, heldOut: Bool) throws(DatasetError) {
      let held = heldOut ? try Wanted.test(spec.test ?? max(rows / 5, 1)).count(of: rows - 1) : 0
      let order =
        heldOut
        ? Philox(seed: 0, purpose: .holdOut).permutation(of: rows, stream: 0)
        : Array(0..<Int32(rows))
      let count = try Wanted.train(spec.train).count(of: rows - held)
      let train = order[..<count].sorted()
      trained = try HoldOut(spec.validation, of: count).trained.map { train[Int($0)] }
      self.train = train
      test = order[(rows - held)...].sorted()
    }
  }

  /// How the columns are coded: by what is in both files, with the categories of the `train` rows.
  private func coding(
    _ options: TableOptions, _ columns: TableColumns, _ table: Rows, _ second: Rows?,
    learned train: [Int32]
  ) throws(DatasetError) -> TableCoding {
    var learned = [Bool](repeating: false, count: table.used.count)
    for row in train { learned[Int(row)] = true }
    var survey = table.survey
    // A column that is filled in one file is filled in both.
    if let second, options.missing == .mean {
      for (place, column) in table.columns.enumerated() {
        survey.kinds[column].missing += second.survey.kinds[second.columns[place]].missing
      }
    }
    let coding = try TableCoding(
      columns, of: table.text, options, table.used, survey, learned: learned)
    if let second {
      try coding.check(
        second.text, second.columns, second.survey, dropsMissing: options.missing == .drop)
    }
    return coding
  }

  private func dataset(
    _ spec: DatasetSpec, _ columns: TableColumns, _ table: Rows, heldOut: Bool, _ second: Rows?,
    _ digest: String
  ) throws(DatasetError) -> Dataset {
    let split = try Split(spec, rows: table.used.count, heldOut: heldOut)
    let testRows =
      try second.map { second throws(DatasetError) in
        Array(0..<Int32(try Wanted.test(spec.test).count(of: second.used.count)))
      } ?? split.test
    var coding = try coding(TableOptions(spec), columns, table, second, learned: split.train)
    try refuseUnlearned(table, split, testRows, second)
    let width = coding.width
    guard width > 0 else {
      throw .damaged(
        file: table.text.file, reason: "has no value in its columns of words, of the training rows")
    }
    let samples = { (rows: [Int32], table: Rows, features: [Float]) in
      Samples(storage: .floats(features), labels: rows.map { table.classes[Int($0)] })
    }
    var features = [Float](repeating: 0, count: split.train.count * width)
    var testFeatures = [Float](repeating: 0, count: testRows.count * width)
    try Table.fill(&features, &testFeatures) { train, test throws(DatasetError) in
      var target = TableCoding.Target(
        train: train, test: test, places: Array(repeating: -1, count: table.used.count))
      for (place, row) in split.train.enumerated() { target.places[Int(row)] = Int32(place) }
      if second == nil {
        for (place, row) in testRows.enumerated() {
          target.places[Int(row)] = Int32(split.train.count + place)
        }
      }
      try coding.write(
        table.text, table.columns, table.used, to: target, fitted: split.trained)
      if let second {
        let all = TableCoding.Target(
          train: .init(start: nil, count: 0), test: test,
          places: testRows + Array(repeating: -1, count: second.used.count - testRows.count))
        try coding.write(second.text, second.columns, second.used, to: all, fitted: nil)
      }
    }
    let train = samples(split.train, table, features)
    let test = samples(testRows, second ?? table, testFeatures)
    let facts = DatasetFacts(
      train: train.count, test: test.count, height: 1, width: 1, channels: width,
      classes: table.labels.names.count, digest: digest, classNames: table.labels.names)
    return try Dataset(
      spec: spec, facts: facts, train: train, test: test,
      form: .table(TableOptions(spec), coding))
  }

  /// No network learns a class that training does not show.
  private func refuseUnlearned(
    _ table: Rows, _ split: Split, _ testRows: [Int32], _ second: Rows?
  ) throws(DatasetError) {
    var isLearned = [Bool](repeating: false, count: table.labels.names.count)
    for row in split.train { isLearned[Int(table.classes[Int(row)])] = true }
    let rows = second ?? table
    for row in testRows where !isLearned[Int(rows.classes[Int(row)])] {
      let name = shortened(table.labels.names[Int(rows.classes[Int(row)])], to: 60)
      throw .damaged(
        file: rows.text.file,
        reason: "the class \"\(name)\" occurs in the test split only "
          + "(\(rows.text.line(of: rows.used.record(Int(row))))): leave its rows out, or hold out "
          + "fewer rows with \"test\"")
    }
  }

  private static func fill(
    _ train: inout [Float], _ test: inout [Float],
    _ body: (
      UnsafeMutableBufferPointer<Float>, UnsafeMutableBufferPointer<Float>
    ) throws(DatasetError) -> Void
  ) throws(DatasetError) {
    try train.withUnsafeMutableBufferPointer { train throws(DatasetError) in
      try test.withUnsafeMutableBufferPointer { test throws(DatasetError) in
        try body(train, test)
      }
    }
  }
}
