import CTables
import Datasets
import Experiments
import Foundation
import TestSupport
import Testing
import Values

/// Tables as other programs write them: their options, and what is refused with what to write.
@Suite struct TableOptionTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func load(
    _ text: String, _ more: [(String, JSON)] = [], test: String? = nil
  ) throws -> Dataset {
    try Data(text.utf8).write(to: URL(filePath: folder.path + "/data.csv"))
    var node: JSON = ["name": "csv", "path": "data.csv"]
    if let test {
      try Data(test.utf8).write(to: URL(filePath: folder.path + "/test.csv"))
      node = node.setting(["test_path"], to: "test.csv")
    }
    for (key, value) in more { node = node.setting([key], to: value) }
    return try Dataset.load(DatasetSpec(checking: node), from: DataFolders(roots: [folder.path]))
  }

  private func refusal(
    _ text: String, _ more: [(String, JSON)] = [], test: String? = nil
  ) -> String {
    do { _ = try load(text, more, test: test) } catch { return "\(error)" }
    return "accepted"
  }

  private func features(_ samples: Samples) -> [Float] {
    guard case .floats(let values) = samples.storage else { return [] }
    return values
  }

  private func isSame(_ a: Dataset, _ b: Dataset) -> Bool {
    features(a.train) == features(b.train) && features(a.test) == features(b.test)
      && a.train.labels == b.train.labels && a.test.labels == b.test.labels
  }

  /// 60 rows of two numbers and a class.
  private func rows(_ row: (Int, String, String, String) -> String) -> [String] {
    (0..<60).map { row($0, "\($0 % 7).5", "\($0 * $0 % 11)", "\($0 % 3)") }
  }

  private var plain: String { "a,b,label\n" + rows { "\($1),\($2),\($3)" }.joined(separator: "\n") }

  @Test func oneTableHasTheSameSamplesHoweverItIsWritten() throws {
    let whole = try load(plain)
    let tabs =
      "a\tb\tlabel\r\n" + rows { "\($1)\t \($2)\t\($3)" }.joined(separator: "\r\n") + "\r\n"
    #expect(isSame(whole, try load(tabs, [("separator", "\t")])))
    let commas =
      "a;b;label\r"
      + rows { "\($1.replacing(".", with: ","));\($2);\"\($3)\"" }
      .joined(separator: "\r")
    #expect(isSame(whole, try load(commas, [("separator", ";"), ("decimal", ",")])))
    let bare = rows { "\($1),\($2),\($3)" }.joined(separator: "\n")
    #expect(isSame(whole, try load(bare, [("header", false)])))
    let comments =
      "# made by hand\na,b,label\n"
      + rows { "\($0 % 5 == 0 ? "  # \"five\n" : "")\($1),\($2),\($3)" }.joined(separator: "\n")
    #expect(isSame(whole, try load(comments, [("comment", "#")])))
    let marked =
      "\u{FEFF}\"a\",\"b\",\"label\"\n"
      + rows { "\"\($1)\", \($2) ,\"\n\($3)\"" }
      .joined(separator: "\n")
    #expect(isSame(whole, try load(marked)))
    let more =
      "x,a,note,b,label\n"
      + rows { "\($0),\($1),\"he said \"\"\($0)\"\",\nand, \",\($2),\($3)" }.joined(separator: "\n")
    #expect(isSame(whole, try load(more, [("columns", ["a", "b"])])))
    #expect(isSame(whole, try load(more, [("columns", ["-x", "-no*"])])))
    #expect(isSame(whole, try load(more, [("columns", ["?", "-x"])])))
    // A word of the defaults changes no member, and so no digest.
    #expect(
      try DatasetSpec(checking: ["name": "csv", "path": "d", "separator": ",", "missing": "refuse"])
        == DatasetSpec(checking: ["name": "csv", "path": "d"]))
  }

  @Test func numbersAreTheNearestDoubles() {
    var state: UInt64 = 1
    func next(_ below: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % below
    }
    func digits(_ count: Int) -> String { (0..<count).map { _ in String(next(10)) }.joined() }
    var texts = [
      "0", "-0", "+1", ".5", "5.", "1e22", "1e23", "9007199254740993", "9007199254740992e3",
      "123456789012345678901234567890", "4.9e-324", "2.2250738585072011e-308", "1e-400", "0x1p-3",
      "1.7976931348623157e308", "0.1e1", "1E+5", "00012.50",
    ]
    for _ in 0..<20_000 {
      let sign = ["", "-", "+"][next(3)]
      let exponent = next(2) == 0 ? "" : "e\(next(60) - 30)"
      texts.append("\(sign)\(digits(1 + next(20))).\(digits(next(20)))\(exponent)")
    }
    for text in texts {
      let (kind, value) = number(text)
      #expect(kind == CT_NUMBER && value.bitPattern == Double(text)?.bitPattern, "\(text)")
    }
    for text in [
      "", "-", "e5", "1e", "1e+", "1.2.3", "1 2", "12a", "inf", "1e999", "--1", "1,5", "0x",
    ] {
      #expect(number(text).kind != CT_NUMBER, "\(text)")
    }
    #expect(number("1,5", decimal: ",").value == 1.5 && number("1.5", decimal: ",").kind == CT_TEXT)
    for text in ["", "NA", "n/a", "NaN", "NULL", "None", "?", ".", "<NA>"] {
      #expect(number(text).kind == CT_MISSING, "\(text)")
    }
    for text in ["N", "NAN1", "nil", "-", "missing"] { #expect(number(text).kind == CT_TEXT) }
  }

  private func number(_ text: String, decimal: Character = ".") -> (kind: ct_kind, value: Double) {
    let bytes = Array(text.utf8)
    var value = 0.0
    let kind = bytes.withUnsafeBufferPointer { buffer in
      // Never read, where there is none.
      let start = buffer.baseAddress ?? UnsafePointer(bitPattern: 1)!
      var field = ct_field(start: start, count: UInt32(buffer.count), is_quoted: 0, is_escaped: 0)
      return ct_number(&field, decimal.asciiValue ?? 0, &value)
    }
    return (kind, value)
  }

  // MARK: - Words

  @Test func wordsBecomeOneFeatureACategory() throws {
    let colours = ["red", "green", "blue"]
    let text =
      "x,colour,label\n"
      + (0..<60).map { "\($0 % 7),\(colours[$0 % 3]),\($0 % 2)" }.joined(separator: "\n")
    let dataset = try load(text)
    // x, then blue, green, red.
    #expect(dataset.facts.channels == 4)
    let values = features(dataset.train)
    for row in 0..<dataset.train.count {
      let words = values[(4 * row + 1)..<(4 * row + 4)]
      #expect(words.sorted() == [0, 0, 1])
    }
    // Listed numbers are words too, and equal numbers are one.
    let codes =
      "x,code,label\n"
      + (0..<60).map { "\($0 % 7),\(["1", "2", "1.0"][$0 % 3]),\($0 % 2)" }.joined(separator: "\n")
    #expect(try load(codes).facts.channels == 2)
    #expect(try load(codes, [("categorical", ["co*"])]).facts.channels == 3)
    #expect(refusal(codes, [("categorical", ["none"])]).contains("no feature fits \"none\""))
  }

  @Test func aColumnOfNumbersAndWordsIsRefusedUnlessItIsListed() throws {
    let text =
      "x,y,label\n"
      + (0..<60).map { "\($0 % 7),\($0 == 30 ? "1O" : "1\($0 % 4)"),\($0 % 2)" }
      .joined(separator: "\n")
    let words = refusal(text)
    #expect(words.contains("line 32, column \"y\": \"1O\" is no finite number"), "\(words)")
    #expect(words.contains("\"categorical\": [\"y\"]"), "\(words)")
    #expect(try load(text, [("categorical", ["y"])]).facts.channels > 2)
  }

  @Test func tooManyDifferentWordsAreRefusedWithWhatToWrite() throws {
    let text =
      "x,name,label\n"
      + (0..<300).map { "\($0 % 7),person \($0),\($0 % 2)" }.joined(separator: "\n")
    let words = refusal(text)
    #expect(words.contains("more than 100 different words"), "\(words)")
    #expect(words.contains("\"columns\": [\"-name\"]"), "\(words)")
    #expect(try load(text, [("columns", ["-name"])]).facts.channels == 1)
    // Only the categories of the training split have a feature.
    #expect(try load(text, [("categorical", ["name"])]).facts.channels == 241)
  }

  // MARK: - Missing values

  private var gaps: String {
    "height,colour,label\n"
      + (0..<60).map {
        "\($0 % 10 == 3 ? ["NA", "", "?"][$0 % 3] : "\($0 % 7)"),"
          + "\($0 % 15 == 4 ? "n/a" : ["red", "blue"][$0 % 2]),\($0 % 3)"
      }.joined(separator: "\n")
  }

  @Test func missingValuesFollowTheStatedPolicy() throws {
    let words = refusal(gaps)
    #expect(
      words.contains("line 5, column \"height\": \"NA\" stands for a missing value"), "\(words)")
    #expect(words.contains("\"drop\"") && words.contains("\"mean\""))
    let dropped = try load(gaps, [("missing", "drop")])
    #expect(dropped.train.count + dropped.test.count == 50)
    #expect(dropped.facts.channels == 3)
    let filled = try load(gaps, [("missing", "mean")])
    #expect(filled.train.count + filled.test.count == 60)
    // Height and whether it is missing; blue, red, and whether the colour is missing.
    #expect(filled.facts.channels == 5)
    let values = features(filled.train) + features(filled.test)
    let rows = (0..<60).map { Array(values[(5 * $0)..<(5 * $0 + 5)]) }
    #expect(rows.count { $0[1] == 1 } == 6 && rows.count { $0[4] == 1 } == 4)
    #expect(rows.allSatisfy { $0[1] == 0 || $0[0] == 0 })
    #expect(rows.allSatisfy { $0[2] + $0[3] + $0[4] == 1 })
    // The mean is over the values that are there, of rows that are trained on.
    let train = features(filled.train)
    let heights = (0..<filled.train.count).map { Double(train[5 * $0]) }
    #expect(abs(heights.reduce(0, +)) < 1e-4)
  }

  @Test func aMissingLabelIsDroppedOnlyWhereThatIsWritten() throws {
    let text =
      "x,label\n"
      + (0..<60).map { "\($0 % 7),\($0 == 9 ? "NA" : ["none", "mild"][$0 % 2])" }
      .joined(separator: "\n")
    for policy in ["refuse", "mean"] {
      let words = refusal(text, [("missing", .string(policy))])
      #expect(words.contains("line 11: the label \"NA\" stands for a missing value"), "\(words)")
    }
    let dropped = try load(text, [("missing", "drop")])
    #expect(dropped.train.count + dropped.test.count == 59 && dropped.facts.classes == 2)
    let empty = "x,y,label\n" + (0..<9).map { "\($0),,\($0 % 2)" }.joined(separator: "\n")
    #expect(refusal(empty, [("missing", "drop")]).contains("has 0 rows without a missing value"))
  }

  // MARK: - What people overlook

  @Test func whatIsOverlookedIsRefusedWithWhatToWrite() throws {
    func body(_ columns: Int) -> String {
      (0..<40).map { row in
        ((1..<columns).map { "\(row * $0 % 13)" } + ["\(row % 2)"]).joined(separator: ",")
      }.joined(separator: "\n")
    }
    let index =
      ",a,label\n" + (0..<40).map { "\($0 + 1),\($0 % 5),\($0 % 2)" }.joined(separator: "\n")
    let words = refusal(index)
    #expect(words.contains("column 1 has no name and numbers the rows"), "\(words)")
    #expect(words.contains("\"columns\": [\"-column 1\"]"), "\(words)")
    #expect(try load(index, [("columns", ["-column 1"])]).facts.channels == 1)
    #expect(try load(index, [("columns", ["*"])]).facts.channels == 2)
    #expect(refusal("a,,label\n" + body(3)).contains("column 2 has no name:"))
    let numbers = refusal("5.1,3.5,7\n" + body(3))
    #expect(numbers.contains("\"header\": false"), "\(numbers)")
    #expect(refusal("5.1,3.5,setosa\n" + body(3)).contains("\"header\": false"))
    #expect(try load("1990,1991,label\n" + body(3), [("header", true)]).facts.channels == 2)
    let twice = refusal("a,a,label\n" + body(3))
    #expect(twice.contains("columns 1 and 2 are both called \"a\""), "\(twice)")
    #expect(
      refusal("a,label,label\n" + body(3), [("label", "label")]).contains("2 columns \"label\""))
    let semicolons = refusal("a;b;label\n1;2;0\n3;4;1\n")
    #expect(semicolons.contains("\"separator\": \";\""), "\(semicolons)")
    #expect(refusal("a\tb\n1\t0\n2\t1\n").contains("\"separator\": \"\\t\""))
    #expect(refusal(plain, [("columns", ["heigth"])]).contains("no column fits \"heigth\""))
    #expect(refusal(plain, [("columns", ["-a", "-b"])]).contains("leaves no feature"))
    #expect(throws: InvalidDocument.self) {
      try DatasetSpec(checking: ["name": "csv", "path": "d.csv", "decimal": ","])
    }
    #expect(refusal("a,label\n1,\"x\"y\n2,z\n").contains("text follows the closing quote"))
  }

  @Test func aClassOfTheTestSplitOnlyIsRefused() throws {
    // Whichever row is held out, one time the rare class is.
    var refused = 0
    for rare in 0..<20 {
      let text =
        "x,label\n"
        + (0..<20).map { "\($0),\($0 == rare ? "rare" : ["a", "b"][$0 % 2])" }.joined(
          separator: "\n")
      let words = refusal(text, [("test", 1)])
      guard words != "accepted" else { continue }
      #expect(words.contains("the class \"rare\" occurs in the test split only (line \(rare + 2))"))
      refused += 1
    }
    #expect(refused == 1)
  }

  @Test func theDecimalMarkCountsInHeadersAndLabels() throws {
    let rows = (0..<60).map { "\($0 % 7),5;\($0 % 3),0;\($0 % 2)" }.joined(separator: "\n")
    let options: [(String, JSON)] = [("separator", ";"), ("decimal", ",")]
    #expect(refusal("1,5;2,5;0\n" + rows, options).contains("\"header\": false"))
    let labels = (0..<60).map { "\($0);\(["1,0", "1", "2"][$0 % 3])" }.joined(separator: "\n")
    #expect(try load("a;label\n" + labels, options).facts.classes == 2)
    let prices = (0..<60).map { "\($0);\($0 * 3),\($0 % 9 + 1)" }.joined(separator: "\n")
    #expect(refusal("a;price\n" + prices, options).contains("regression"))
  }

  // MARK: - Two files

  @Test func aSecondFileIsTheTestSplit() throws {
    let test =
      "label,b,a\n" + (0..<12).map { "\($0 % 3),\($0),\($0 % 5).5" }.joined(separator: "\n")
    let dataset = try load(plain, test: test)
    #expect(dataset.train.count == 60 && dataset.test.count == 12)
    #expect(dataset.test.labels == (0..<12).map { Int32($0 % 3) })
    // Standardized as the training rows are: row 0 of the test file is row 0 of the other.
    #expect(features(dataset.test)[..<2] == features(dataset.train)[..<2])
    #expect(try load(plain, [("test", 5)], test: test).test.count == 5)
    #expect(dataset.facts.digest != (try load(plain).facts.digest))
    #expect(refusal(plain, test: "a,label\n1,0\n").contains("has no column \"b\""))
    #expect(
      refusal(plain, test: "a,b,label\n1,2,0\n1,2,9\n")
        .contains("line 3, column \"label\": \"9\" is no class of the training split"))
    #expect(
      refusal(plain, test: "a,b,label\n1,x,0\n").contains(
        "line 2, column \"b\": \"x\" is no finite"))
    #expect(refusal(plain, test: "a,b,label\n").contains("has no rows"))
    // Missing values of the second file alone, under each policy.
    let gap = "a,b,label\n1,,0\n2,3,1\n"
    #expect(
      refusal(plain, test: gap)
        .contains("test.csv: line 2, column \"b\": \"\" stands for a missing value"))
    #expect(try load(plain, [("missing", "drop")], test: gap).test.count == 1)
    let filled = try load(plain, [("missing", "mean")], test: gap)
    #expect(filled.facts.channels == 3 && features(filled.test)[1] == 0)
    #expect(features(filled.test)[2] == 1 && features(filled.test)[5] == 0)
    // A word is no missing value, also where those are filled in.
    #expect(
      refusal(plain, [("missing", "mean")], test: "a,b,label\n1,,0\n2,12abc,1\n")
        .contains("line 3, column \"b\": \"12abc\" is no finite"))
  }
}
