import Values

/// The label column of a table: its classes, and the class of each row.
struct ClassLabels {
  let categories: Categories
  /// The class of each record; -1 of those that are not kept.
  let classes: [Int32]

  var names: [String] { categories.names }

  /// A label stands for a missing value where it is one of these: of other columns, more words do, but
  /// "none" may be a class.
  private static let missing: Set = ["", "na", "n/a", "#n/a", "<na>", "nan", "+nan", "-nan"]

  /// A label column of so many different values is no column of classes.
  private static let most = 1 << 16

  /// The words of a label column. Drops those records from `kept` whose label is missing, or throws.
  private static func words(
    _ text: TableText, _ column: Int, _ kept: inout [UInt8], _ policy: TableOptions.Missing
  ) throws(DatasetError) -> (words: [TableText.Word], numbers: [Int32]) {
    let all = TableRows(count: kept.count, kept: nil)
    guard let found = try text.words(column, all, most: most) else {
      throw .damaged(
        file: text.file,
        reason:
          "its label column \"\(text.header[column])\" has more than \(most) different values: "
          + "that is regression, or a column that names the rows; labels are classes here")
    }
    let isMissing = found.words.map { missing.contains($0.text.lowercased()) }
    guard let first = isMissing.firstIndex(of: true) else { return found }
    guard policy == .drop else {
      let word = found.words[first]
      let line = text.line(of: word.first)
      throw .damaged(
        file: text.file,
        reason: word.text.isEmpty
          ? "\(line) has no label"
          : "\(line): the label \"\(word.text)\" stands for a missing value; "
            + "remove the row, give it a class, or write \"missing\": \"drop\"")
    }
    for (record, word) in found.numbers.enumerated() where isMissing[Int(word)] { kept[record] = 0 }
    return found
  }

  private static func classes(
    _ found: (words: [TableText.Word], numbers: [Int32]), _ categories: Categories
  ) -> [Int32] {
    let classes = found.words.map { Int32(categories.number(of: $0.text) ?? -1) }
    var labels = found.numbers
    for record in labels.indices { labels[record] = classes[Int(labels[record])] }
    return labels
  }

  /// Finds the classes of the kept records.
  init(
    _ text: TableText, column: Int, kept: inout [UInt8], _ policy: TableOptions.Missing
  ) throws(DatasetError) {
    let found = try ClassLabels.words(text, column, &kept, policy)
    var isKept = [Bool](repeating: false, count: found.words.count)
    var rows = 0
    for (record, word) in found.numbers.enumerated() where kept[record] == 1 {
      isKept[Int(word)] = true
      rows += 1
    }
    categories = Categories(
      found.words.indices.filter { isKept[$0] }.map { found.words[$0].text },
      decimal: text.decimal)
    let name = text.header[column]
    guard !categories.haveDecimals || categories.count <= 2 || 2 * categories.count <= rows else {
      throw .damaged(
        file: text.file,
        reason: "its label column \"\(name)\" has \(categories.count) different decimal numbers in "
          + "\(rows) rows: that is regression, and labels are classes here")
    }
    guard categories.count >= 2 else {
      throw .damaged(
        file: text.file,
        reason:
          "its label column \"\(name)\" has \(categories.count) different values; two are the least"
      )
    }
    classes = ClassLabels.classes(found, categories)
  }

  /// The labels of a second file, whose classes are those of the first one.
  init(
    _ text: TableText, column: Int, kept: inout [UInt8], _ policy: TableOptions.Missing,
    of first: ClassLabels
  ) throws(DatasetError) {
    let found = try ClassLabels.words(text, column, &kept, policy)
    categories = first.categories
    classes = ClassLabels.classes(found, categories)
    for (record, label) in classes.enumerated() where kept[record] == 1 && label < 0 {
      throw .damaged(
        file: text.file,
        reason: "\(text.place(record, column)) is no class of the training split")
    }
  }
}
