import CTables
import Values

/// How the columns of a table become features. Numbers are standardized; a word becomes one feature a
/// category, 1 where it is that one and 0 elsewhere; a column that is filled has another feature, 1 where
/// its value was missing.
package struct TableCoding: Sendable {
  enum Form: Equatable, Sendable {
    case number(Standardization)
    case word(Categories)
  }

  struct Column: Equatable, Sendable {
    var name: String
    var form: Form
    /// Whether another feature says that the value was missing.
    var isFilled: Bool

    /// Features.
    var width: Int {
      let own =
        switch form {
        case .number: 1
        case .word(let categories): categories.count
        }
      return own + (isFilled ? 1 : 0)
    }
  }

  var columns: [Column]

  /// Features of a row.
  var width: Int { columns.reduce(0) { $0 + $1.width } }

  /// A column of words has no more categories than this where nobody has listed it.
  private static let mostDetected = 100

  /// Nor more than this where somebody has.
  static let mostCategories = 1000

  /// Different words of one column that are told apart, whatever becomes of them.
  static let mostSpellings = 1 << 16
}

// MARK: - Forms

extension TableCoding {
  /// Decides the form of each feature column by what is in it. Of words, the categories are those of the
  /// `learned` rows. Numbers are standardized later, as they are read.
  init(
    _ columns: TableColumns, of text: TableText, _ options: TableOptions, _ rows: TableRows,
    _ survey: TableText.Survey, learned: [Bool]
  ) throws(DatasetError) {
    for pattern in options.categorical
    where !columns.features.contains(where: { TableColumns.fits(text.header[$0], pattern) }) {
      throw .damaged(
        file: text.file,
        reason: "no feature fits \"\(pattern)\" of \"categorical\"; they are "
          + TableColumns.listed(columns.features.map { text.header[$0] }))
    }
    var found: [Column] = []
    for column in columns.features {
      let kind = survey.kinds[column]
      let name = text.header[column]
      let isListed = options.categorical.contains { TableColumns.fits(name, $0) }
      if !isListed, kind.texts > 0, kind.numbers > 0 {
        let shown = shortened(name, to: 60)
        throw .damaged(
          file: text.file,
          reason: "\(text.place(Int(kind.first_text), column)) is no finite number; if the column "
            + "holds words, write \"categorical\": [\(JSON.string(shown).encoded())]")
      }
      if kind.missing > 0, options.missing == .refuse {
        throw .damaged(
          file: text.file,
          reason: "\(text.place(Int(kind.first_missing), column)) stands for a missing value; "
            + "\"missing\": \"drop\" leaves such rows out, \"mean\" fills them in")
      }
      let isFilled = options.missing == .mean && kind.missing > 0
      let isWord = isListed || kind.texts > 0
      found.append(
        Column(
          name: name,
          form: isWord
            ? .word(
              try TableCoding.categories(
                column, text, rows,
                most: isListed ? TableCoding.mostCategories : TableCoding.mostDetected,
                learned: learned))
            : .number(Standardization(over: [0])), isFilled: isFilled))
    }
    self.columns = found
  }

  /// Throws where another file has what no feature is made of: a word in a column of numbers, or a missing
  /// value that is neither dropped nor filled.
  func check(
    _ text: TableText, _ places: [Int], _ survey: TableText.Survey, dropsMissing: Bool
  ) throws(DatasetError) {
    for (column, place) in zip(columns, places) {
      let kind = survey.kinds[place]
      if case .number = column.form, kind.texts > 0 {
        throw .damaged(
          file: text.file,
          reason: "\(text.place(Int(kind.first_text), place)) is no finite number")
      }
      if kind.missing > 0, !column.isFilled, !dropsMissing {
        throw .damaged(
          file: text.file,
          reason: "\(text.place(Int(kind.first_missing), place)) stands for a missing value, and "
            + "the column had none in training")
      }
    }
  }

  private static func categories(
    _ column: Int, _ text: TableText, _ rows: TableRows, most: Int, learned: [Bool]
  ) throws(DatasetError) -> Categories {
    guard let found = try text.words(column, rows, most: mostSpellings) else {
      throw tooMany(column, text, most)
    }
    var isLearned = [Bool](repeating: false, count: found.words.count)
    for (row, word) in found.numbers.enumerated() where learned[row] { isLearned[Int(word)] = true }
    let categories = Categories(
      found.words.indices.filter { isLearned[$0] && !found.words[$0].isMissing }
        .map { found.words[$0].text }, decimal: text.decimal)
    guard categories.count <= most else { throw tooMany(column, text, most) }
    return categories
  }

  private static func tooMany(_ column: Int, _ text: TableText, _ most: Int) -> DatasetError {
    let name = JSON.string(text.header[column]).encoded()
    let pattern = JSON.string("-" + text.header[column]).encoded()
    return .damaged(
      file: text.file,
      reason:
        "its column \(shortened(name, to: 60)) has more than \(most) different words: leave it "
        + "out with \"columns\": [\(shortened(pattern, to: 60))]"
        + (most == mostDetected
          ? ", or list it under \"categorical\" (\(mostCategories) at most)" : ""))
  }
}

// MARK: - Features

extension TableCoding {
  /// Where the features of a table's rows go: those of the training rows, and those of the test rows.
  struct Target {
    var train: UnsafeMutableBufferPointer<Float>
    var test: UnsafeMutableBufferPointer<Float>
    /// Of each row, its number among the training rows, or among the test rows, which are counted on
    /// from these; -1 of a row that is in neither.
    var places: [Int32]

    /// Where the features of a row begin; nil where they are not written.
    fileprivate func features(of row: Int, _ width: Int) -> UnsafeMutablePointer<Float>? {
      let place = Int(places[row]) * width
      guard place >= 0 else { return nil }
      return place < train.count
        ? train.baseAddress.map { $0 + place } : test.baseAddress.map { $0 + (place - train.count) }
    }
  }

  /// Numbers of all rows are in memory for so many columns at a time, that they take this share of the
  /// file at most.
  private static let shareOfFile = 3

  /// Writes the features of rows. Where `fitted` is given, numbers are standardized over those rows first;
  /// else as they are already.
  mutating func write(
    _ text: TableText, _ places: [Int], _ rows: TableRows, to target: Target, fitted: [Int32]?
  ) throws(DatasetError) {
    let width = self.width
    var (offsets, offset) = ([Int](), 0)
    for column in columns {
      offsets.append(offset)
      offset += column.width
    }
    for at in columns.indices {
      guard case .word(let categories) = columns[at].form else { continue }
      try write(
        text, places[at], rows, categories, columns[at], to: target, at: offsets[at], width)
    }
    let numeric = columns.indices.filter {
      if case .number = columns[$0].form { true } else { false }
    }.sorted { places[$0] < places[$1] }
    let group = max(1, text.count / TableCoding.shareOfFile / (8 * max(rows.count, 1)))
    for start in stride(from: 0, to: numeric.count, by: group) {
      let chosen = numeric[start..<min(start + group, numeric.count)]
      let values = try text.numbers(chosen.map { places[$0] }, rows)
      for (place, at) in chosen.enumerated() {
        let column = values[(place * rows.count)..<((place + 1) * rows.count)]
        if let fitted {
          let base = column.startIndex
          columns[at].form = .number(
            Standardization(
              over: fitted.lazy.map { column[base + Int($0)] }.filter { !$0.isNaN }))
        }
        try write(
          column, columns[at], text, places[at], rows, to: target, at: offsets[at], width)
      }
    }
  }

  private func write(
    _ values: ArraySlice<Double>, _ column: Column, _ text: TableText, _ place: Int,
    _ rows: TableRows, to target: Target, at offset: Int, _ width: Int
  ) throws(DatasetError) {
    guard case .number(let scale) = column.form else { return }
    for (row, value) in values.enumerated() {
      guard let feature = target.features(of: row, width).map({ $0 + offset }) else { continue }
      if column.isFilled { feature[1] = value.isNaN ? 1 : 0 }
      guard !value.isNaN || column.isFilled else {
        throw .damaged(
          file: text.file,
          reason: "\(text.place(rows.record(row), place)) is no finite number")
      }
      guard let scaled = value.isNaN ? 0 : scale.feature(value) else {
        throw .damaged(
          file: text.file,
          reason: "\(text.place(rows.record(row), place)) cannot be standardized: "
            + "it is too far from the rows trained on")
      }
      feature[0] = scaled
    }
  }

  private func write(
    _ text: TableText, _ place: Int, _ rows: TableRows, _ categories: Categories, _ column: Column,
    to target: Target, at offset: Int, _ width: Int
  ) throws(DatasetError) {
    guard let found = try text.words(place, rows, most: TableCoding.mostSpellings) else {
      throw TableCoding.tooMany(place, text, TableCoding.mostCategories)
    }
    let numbers = found.words.map { categories.number(of: $0.text) ?? -1 }
    let missing = found.words.map(\.isMissing)
    for (row, word) in found.numbers.enumerated() {
      guard let features = target.features(of: row, width).map({ $0 + offset }) else { continue }
      features.update(repeating: 0, count: column.width)
      let word = Int(word)
      if missing[word] {
        guard column.isFilled else {
          throw .damaged(
            file: text.file,
            reason: "\(text.place(rows.record(row), place)) stands for a missing value")
        }
        features[categories.count] = 1
      } else if numbers[word] >= 0 {
        features[numbers[word]] = 1
      }
    }
  }
}

// MARK: - As JSON

extension TableCoding {
  /// The columns with their codings, in the order of the features.
  var json: JSON {
    .array(
      columns.map { column in
        var members: [JSON.Member] = [.init("name", .string(column.name))]
        switch column.form {
        case .number(let scale): members.append(.init("number", scale.json))
        case .word(let categories):
          members.append(.init("words", .array(categories.names.map(JSON.string))))
        }
        if column.isFilled { members.append(.init("filled", .bool(true))) }
        return .object(members)
      })
  }

  /// Reads what `json` has written.
  init?(_ node: JSON, _ options: TableOptions) {
    guard let items = node.items, !items.isEmpty else { return nil }
    columns = []
    for item in items {
      guard let name = item["name"]?.stringValue else { return nil }
      let form: Form
      if let number = item["number"] {
        guard let scale = Standardization(number) else { return nil }
        form = .number(scale)
      } else {
        guard let words = item["words"]?.items?.compactMap(\.stringValue) else { return nil }
        form = .word(Categories(words, decimal: options.decimal))
      }
      columns.append(
        Column(name: name, form: form, isFilled: item["filled"]?.boolValue ?? false))
    }
  }
}
