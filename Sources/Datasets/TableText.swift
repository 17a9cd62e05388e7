import CTables
import Values

/// A CSV file's text: the names of its columns, and its records, found in the bytes as they are wanted. No
/// field becomes a string but those that people see.
struct TableText: Sendable {
  let file: String
  /// Names of the columns. A column without a name is called by its place: "column 1".
  let header: [String]
  /// The columns that have no name in the file.
  let unnamed: Set<Int>
  /// The decimal mark.
  let decimal: String
  private let bytes: [UInt8]
  private let dialect: ct_dialect
  /// Where the first record behind the header is.
  private let body: Int

  init(_ bytes: [UInt8], _ options: TableOptions, file: String) throws(DatasetError) {
    self.file = file
    self.bytes = bytes
    dialect = options.dialect
    decimal = options.decimal
    // A mark of the byte order, as spreadsheets write it.
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    var (place, begin, found) = (start, 0, 0)
    let fields = try TableText.read(bytes, dialect, file) { text throws(DatasetError) in
      let invalid = ct_invalid(text.bytes, text.count)
      guard invalid == text.count else {
        let utf16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        throw .damaged(
          file: file,
          reason: utf16
            ? "is UTF-16; save it as UTF-8"
            : "line \(ct_line(&text, invalid)) is not UTF-8: this is no CSV file in text")
      }
      let fields = try TableText.record(&text, &place, &begin, &found, most: 1 << 20, file)
      guard let fields else { throw .damaged(file: file, reason: "is empty") }
      return fields.map(TableText.string)
    }
    guard fields.count == found else {
      throw .damaged(file: file, reason: "has \(found) columns")
    }
    let hasHeader = options.hasHeader ?? true
    body = hasHeader ? place : start
    unnamed = hasHeader ? Set(fields.indices.filter { fields[$0].isEmpty }) : []
    header = fields.enumerated().map { place, name in
      hasHeader && !name.isEmpty ? name : "column \(place + 1)"
    }
  }

  /// Bytes of the file.
  var count: Int { bytes.count }

  // MARK: - Records

  /// What the fields of some columns are, over all records.
  struct Survey {
    /// How many fields of each column are numbers, are missing, and are other texts.
    var kinds: [ct_column]
    /// 1 for each record that has a missing field.
    var incomplete: [UInt8]
  }

  /// Reads all records; each has as many fields as the header. `wanted` are columns.
  func survey(_ wanted: [Int]) throws(DatasetError) -> Survey {
    var (begin, found, records) = (0, 0, Int64(0))
    var marks = [UInt8](repeating: 0, count: header.count)
    for column in wanted { marks[column] = 1 }
    var kinds = [ct_column](repeating: ct_column(), count: header.count)
    // A record has a byte for each column at least, but for the last one.
    let most = bytes.count / header.count + 2
    let incomplete = try TableText.read(bytes, dialect, file) { text throws(DatasetError) in
      var status = CT_OK
      let incomplete = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
        status = ct_survey(
          &text, body, header.count, marks, &kinds, buffer.baseAddress, Int64(most), &records,
          &begin, &found)
        count = Int(records)
      }
      switch status {
      case CT_END: return incomplete
      case CT_OK:
        throw .damaged(
          file: file,
          reason: "line \(ct_line(&text, begin)) has \(found) fields, the header \(header.count)")
      default: throw TableText.error(status, &text, begin, file)
      }
    }
    return Survey(kinds: kinds, incomplete: incomplete)
  }

  /// The numbers of some columns, ascending, of the kept records: all of the first one, then all of the
  /// next. What is no number is NaN.
  func numbers(_ columns: [Int], _ rows: TableRows) throws(DatasetError) -> [Double] {
    try TableText.read(bytes, dialect, file) { text throws(DatasetError) in
      var status = CT_OK
      let values = [Double](unsafeUninitializedCapacity: columns.count * rows.count) {
        buffer, count in
        status = ct_numbers(
          &text, body, header.count, columns, columns.count, rows.kept, Int64(rows.count),
          buffer.baseAddress)
        count = status == CT_OK ? columns.count * rows.count : 0
      }
      guard status == CT_OK else { throw TableText.error(status, &text, body, file) }
      return values
    }
  }

  /// A text of a column.
  struct Word {
    var text: String
    var isMissing: Bool
    /// The first record that has it.
    var first: Int
  }

  /// The texts of a column, each once in the order in which they appear, and the number of each kept
  /// record's one. Nil where there are more than `most`.
  func words(
    _ column: Int, _ rows: TableRows, most: Int
  ) throws(DatasetError) -> (words: [Word], numbers: [Int32])? {
    try TableText.read(bytes, dialect, file) { text throws(DatasetError) in
      var (found, status) = (0, CT_OK)
      var words = [ct_word](repeating: ct_word(), count: min(most, rows.count))
      let numbers = [Int32](unsafeUninitializedCapacity: rows.count) { buffer, count in
        status = ct_words(
          &text, body, column, rows.kept, buffer.baseAddress, &words, words.count, &found)
        count = status == CT_OK && found <= words.count ? rows.count : 0
      }
      guard status == CT_OK else { throw TableText.error(status, &text, body, file) }
      guard found <= words.count else { return nil }
      return (
        words[..<found].map { word in
          var (field, value) = (word.field, 0.0)
          return Word(
            text: TableText.string(field),
            isMissing: ct_number(&field, dialect.decimal, &value) == CT_MISSING,
            first: Int(word.first_record))
        }, numbers
      )
    }
  }

  // MARK: - For people

  /// Such as `line 7, column "a": "x"`, of a record counted from 0.
  func place(_ record: Int, _ column: Int) -> String {
    let name = shortened(header[column], to: 60)
    let found = try? TableText.read(bytes, dialect, file) { text throws(DatasetError) in
      var (place, begin, found) = (body, 0, 0)
      for _ in 0..<record {
        _ = try TableText.record(&text, &place, &begin, &found, most: 0, file)
      }
      let fields = try TableText.record(
        &text, &place, &begin, &found, most: column + 1, file)
      return (ct_line(&text, begin), fields.flatMap { $0.last.map(TableText.string) } ?? "")
    }
    // The records have been read before, so this does not fail.
    guard let found else { return "column \"\(name)\"" }
    return "line \(found.0), column \"\(name)\": \"\(found.1.prefix(40))\""
  }

  func line(of record: Int) -> String {
    String(place(record, 0).prefix { $0 != "," })
  }

  // MARK: - Bytes

  private static func read<Result>(
    _ bytes: [UInt8], _ dialect: ct_dialect, _ file: String,
    _ body: (inout ct_text) throws(DatasetError) -> Result
  ) throws(DatasetError) -> Result {
    try bytes.withUnsafeBufferPointer { buffer throws(DatasetError) in
      var text = ct_text(bytes: buffer.baseAddress, count: buffer.count, dialect: dialect)
      return try body(&text)
    }
  }

  /// The first `most` fields of the next record; nil where none is left.
  private static func record(
    _ text: inout ct_text, _ place: inout Int, _ begin: inout Int, _ found: inout Int, most: Int,
    _ file: String
  ) throws(DatasetError) -> [ct_field]? {
    var fields = [ct_field](repeating: ct_field(), count: min(most, 64))
    let from = place
    var status = ct_record(&text, &place, &begin, &fields, fields.count, &found)
    if status == CT_OK, found > fields.count, most > fields.count {
      fields = [ct_field](repeating: ct_field(), count: min(most, found))
      place = from
      status = ct_record(&text, &place, &begin, &fields, fields.count, &found)
    }
    switch status {
    case CT_OK: return Array(fields.prefix(found))
    case CT_END: return nil
    default: throw error(status, &text, begin, file)
    }
  }

  private static func error(
    _ status: ct_status, _ text: inout ct_text, _ begin: Int, _ file: String
  ) -> DatasetError {
    let line = "line \(ct_line(&text, begin)): "
    let reason =
      switch status {
      case CT_QUOTE_OPEN: line + "a quoted field does not end"
      case CT_QUOTE_TRAILED:
        line
          + "text follows the closing quote of a field; a quote inside of a field is written twice"
      case CT_FIELD_LARGE: line + "a field has more than 1 MiB"
      default: "there is not enough memory to read it"
      }
    return .damaged(file: file, reason: reason)
  }

  private static func string(_ field: ct_field) -> String {
    let bytes = UnsafeBufferPointer(start: field.start, count: Int(field.count))
    let text = String(decoding: bytes, as: UTF8.self)
    return trimmed(field.is_escaped == 1 ? text.replacing("\"\"", with: "\"") : text)
  }

  private static func trimmed(_ field: String) -> String {
    let end = field.lastIndex { !$0.isWhitespace }
    guard let end, let start = field.firstIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(field[start...end])
  }
}

/// The records of a table that are used.
struct TableRows {
  /// How many records are used.
  let count: Int
  /// A byte for each record, 1 where it is used; nil: all are.
  let kept: [UInt8]?

  /// The record of a used row.
  func record(_ row: Int) -> Int {
    guard let kept else { return row }
    var left = row
    for (record, byte) in kept.enumerated() where byte == 1 {
      if left == 0 { return record }
      left -= 1
    }
    return row
  }
}
