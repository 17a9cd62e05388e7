import Datasets
import Experiments
import Foundation
import TestSupport
import Testing
import Values

/// Tables as people have them: what is read, what is refused, and that every process reads the same.
@Suite struct TableTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func load(_ bytes: [UInt8], _ more: [(String, JSON)] = []) throws -> Dataset {
    try Data(bytes).write(to: URL(filePath: folder.path + "/data.csv"))
    var node: JSON = ["name": "csv", "path": "data.csv"]
    for (key, value) in more { node = node.setting([key], to: value) }
    let spec = try DatasetSpec(checking: node)
    return try Dataset.load(spec, from: DataFolders(roots: [folder.path]))
  }

  private func load(_ text: String, _ more: [(String, JSON)] = []) throws -> Dataset {
    try load(Array(text.utf8), more)
  }

  private func table(_ rows: [String], header: String = "a,b,label") -> String {
    ([header] + rows).joined(separator: "\n") + "\n"
  }

  private func words(_ error: DatasetError?) -> String { error?.description ?? "accepted" }

  private func features(_ dataset: Dataset) -> [Float] {
    guard case .floats(let values) = dataset.train.storage else { return [] }
    return values
  }

  /// Numbers that are equal are one class, in the order of numbers.
  @Test func aClassHasOneValueHoweverItIsSpelled() throws {
    let spellings = ["0", "0.0", "-0", "1", "1.0", "01", "1e0", "10", "+10", "1e1", " 10 "]
    let plain = ["0", "0", "0", "1", "1", "1", "1", "10", "10", "10", "10"]
    let rows = (0..<44).map { $0 % 11 }
    let odd = try load(table(rows.map { "\($0),1,\(spellings[$0])" }))
    let even = try load(table(rows.map { "\($0),1,\(plain[$0])" }))
    #expect(odd.facts.classes == 3)
    #expect(odd.train.labels == even.train.labels && odd.test.labels == even.test.labels)
    // Equal as doubles, and not as numbers.
    let large = try load(table((0..<20).map { "\($0),1,900719925474099\($0 % 2 == 0 ? 2 : 3)" }))
    #expect(large.facts.classes == 2)
  }

  @Test func textLabelsAreOrderedByTheirScalars() throws {
    let names = ["b", "a", "é", "B", "e\u{301}"]
    let dataset = try load(table((0..<40).map { "\($0),1,\(names[$0 % 5])" }))
    // The last two spellings are one text.
    #expect(dataset.facts.classes == 4)
    let class0 = Set(dataset.train.labels)
    #expect(class0 == [0, 1, 2, 3])
  }

  @Test(arguments: [
    ("nan", "stands for a missing value"), ("NaN", "stands for a missing value"),
    ("", "line 4 has no label"), ("  ", "line 4 has no label"),
  ])
  func aLabelThatIsMissingIsRefusedWithItsLine(label: String, part: String) {
    let error = #expect(throws: DatasetError.self) {
      try load(table(["1,2,0", "2,3,1", "3,4,\(label)", "4,5,1"]))
    }
    #expect(words(error).contains(part), "\(words(error))")
  }

  @Test func decimalLabelsOfNearlyEveryRowAreRegression() throws {
    let rows = (0..<100).map { "\($0),1,\(Double($0) * 1.37 - 20)" }
    let error = #expect(throws: DatasetError.self) { try load(table(rows)) }
    #expect(words(error).contains("regression"))
    // A few decimal classes are classes.
    #expect(try load(table((0..<100).map { "\($0),1,\($0 % 3).5" })).facts.classes == 3)
  }

  @Test func blankLinesAreSkippedAndErrorsHaveTheLineOfTheFile() throws {
    let rows = (0..<20).map { "\($0),\($0 % 7),\($0 % 2)" }
    let spread = rows.enumerated().map { $0 % 4 == 0 ? "\n  \n\($1)" : $1 }
    let (whole, blank) = (try load(table(rows)), try load(table(spread) + "\n\n"))
    #expect(features(whole) == features(blank) && whole.train.labels == blank.train.labels)
    let error = #expect(throws: DatasetError.self) {
      try load("a,b,label\n\n1,2,0\n\"3\n\",2,1\n\nx,2,1\n")
    }
    #expect(
      words(error).contains("line 7, column \"a\": \"x\""), "\(words(error))")
  }

  @Test func aConstantColumnIsZeroWhateverItsValue() throws {
    func values(_ constant: (Int) -> String) throws -> [Float] {
      features(try load(table((0..<200).map { "\(sin(Double($0))),\(constant($0)),\($0 % 2)" })))
    }
    let zero = try values { _ in "0" }
    for constant in ["14.62", "1e200", "-1e-200", "5e-324", "1.7976931348623157e308", "0.1"] {
      #expect(try values { _ in constant } == zero, "\(constant)")
    }
    // Equal but for rounding.
    #expect(try values { $0 % 3 == 0 ? "14.62" : "14.620000000000001" } == zero)
  }

  @Test func largeAndSmallColumnsAreStandardizedWithoutOverflow() throws {
    func column(_ scale: String) throws -> [Float] {
      features(try load(table((0..<60).map { "\($0 % 5)\(scale),1,\($0 % 2)" })))
    }
    let plain = try column("")
    for scale in ["e200", "e-200", "e307", "e-310"] {
      let scaled = try column(scale)
      #expect(zip(plain, scaled).allSatisfy { abs($0 - $1) < 1e-4 }, "\(scale)")
    }
  }

  @Test func aValueFarBeyondTheTrainingRowsIsNamed() throws {
    var rows = (0..<50).map { "\($0 % 5),1,\($0 % 2)" }
    let dataset = try load(table(rows), [("test", 10)])
    #expect(dataset.test.count == 10)
    // Some row is a test row: with the outlier there, the others decide the scale.
    var named = 0
    for row in 0..<50 {
      let kept = rows[row]
      rows[row] = "1e300,1,0"
      do { _ = try load(table(rows), [("test", 10)]) } catch {
        named += "\(error)".contains("line \(row + 2), column \"a\"") ? 1 : 0
      }
      rows[row] = kept
    }
    #expect(named == 10)
  }

  @Test func standardizationIsOverTheRowsThatAreTrainedOn() throws {
    let rows = (0..<100).map { "\($0 * $0),\($0),\($0 % 2)" }
    let dataset = try load(table(rows), [("validation", 20)])
    let first = dataset.trainIndices.map { Double(features(dataset)[2 * Int($0)]) }
    #expect(abs(first.reduce(0, +)) < 1e-3)
    #expect(abs(first.reduce(0) { $0 + $1 * $1 } / Double(first.count) - 1) < 1e-4)
  }

  @Test(arguments: [
    ("train", 5_000_000, "dataset.train: found 5000000; there are 80"),
    ("train", 81, "there are 80"), ("test", 100, "dataset.test: found 100; there are 99"),
    ("validation", 80, "dataset.validation: found 80; there are 80"),
    ("validation", 1 << 40, "there are 80"),
  ])
  func moreSamplesThanThereAreAreRefused(member: String, count: Int, part: String) throws {
    let text = table((0..<100).map { "\($0),1,\($0 % 2)" })
    let error = #expect(throws: DatasetError.self) { try load(text, [(member, .integer(count))]) }
    #expect(words(error).contains(part), "\(words(error))")
  }

  @Test func filesThatAreNoTablesAreRefusedAsWhatTheyAre() throws {
    func message(_ bytes: [UInt8]) -> String {
      do { _ = try load(bytes) } catch { return "\(error)" }
      return "accepted"
    }
    #expect(message([]).contains("is empty"))
    #expect(
      message(Array("a,b\n1,2\n\u{1}".utf8) + [0xFF, 0xFE, 0]).contains("line 3 is not UTF-8"))
    #expect(message([0x7F, 0x45, 0x4C, 0x46, 0x02, 0xFF]).contains("not UTF-8"))
    #expect(message(Array("a,label\n1,\"x\n2,y\n".utf8)).contains("quoted field does not end"))
    #expect(message(Array("a,label\n1,2\n3,4,5\n".utf8)).contains("line 3 has 3 fields"))
    #expect(message(Array("\u{FEFF}a,label\n1,x\n2,y\n3,x\n4,y\n".utf8)) == "accepted")
    try FileManager.default.createDirectory(
      atPath: folder.path + "/folder.csv", withIntermediateDirectories: true)
    let spec = try DatasetSpec(checking: ["name": "csv", "path": "folder.csv"])
    let error = #expect(throws: DatasetError.self) {
      try Dataset.load(spec, from: DataFolders(roots: [folder.path]))
    }
    #expect(words(error).contains("is a folder"))
  }

  @Test func aCompressedFileThatIsCutIsDamaged() throws {
    let text = table((0..<2000).map { "\($0),\($0 % 17),\($0 % 2)" })
    try text.write(toFile: folder.path + "/whole", atomically: true, encoding: .utf8)
    let gzip = Process()
    gzip.executableURL = URL(filePath: "/bin/gzip")
    gzip.arguments = [folder.path + "/whole"]
    try gzip.run()
    gzip.waitUntilExit()
    let packed = [UInt8](try Data(contentsOf: URL(filePath: folder.path + "/whole.gz")))
    #expect(try load(packed).facts.train == 1600)
    // At the end are the checksum and the length.
    for count in [
      packed.count - 1, packed.count - 8, packed.count - 9, packed.count / 2, 30, 12, 5,
    ] {
      #expect(throws: DatasetError.self, "\(count) bytes") { try load(Array(packed[..<count])) }
    }
    var flipped = packed
    flipped[packed.count - 6] ^= 1
    #expect(throws: DatasetError.self) { try load(flipped) }
  }
}
