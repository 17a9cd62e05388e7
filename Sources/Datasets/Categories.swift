import Foundation

/// The different values of a column, in an order that every process finds alike: classes of the label's
/// column, or what a column of words is coded by.
struct Categories: Equatable, Sendable {
  /// The shortest spelling of each.
  let names: [String]
  /// The decimal mark of its numbers.
  private let decimal: String
  private let numbers: [DecimalNumber: Int]?
  private let texts: [String: Int]

  /// `spellings` are trimmed. Where all are numbers, those that are equal as numbers are one category and
  /// categories are in the order of numbers; else they are texts in the order of their scalars.
  init(_ spellings: [String], decimal: String) {
    self.decimal = decimal
    func number(_ spelling: String) -> DecimalNumber? { DecimalNumber(spelling, decimal: decimal) }
    let values = spellings.compactMap(number)
    if !spellings.isEmpty, values.count == spellings.count {
      let spelled = Dictionary(grouping: spellings, by: number)
      let ordered = Set(values).sorted()
      names = ordered.map { Categories.shortest(spelled[$0] ?? []) }
      numbers = Dictionary(uniqueKeysWithValues: ordered.enumerated().map { ($1, $0) })
      texts = [:]
    } else {
      names = Set(spellings.map(Categories.canonical)).sorted(by: Categories.precedes)
      numbers = nil
      texts = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    }
  }

  var count: Int { names.count }

  /// Whether these are numbers of which some have decimals.
  var haveDecimals: Bool { numbers?.keys.contains { !$0.isWhole } ?? false }

  /// Nil for a value that is none of them.
  func number(of spelling: String) -> Int? {
    guard let numbers else { return texts[Categories.canonical(spelling)] }
    return DecimalNumber(spelling, decimal: decimal).flatMap { numbers[$0] }
  }

  private static func canonical(_ text: String) -> String {
    text.precomposedStringWithCanonicalMapping
  }

  private static func shortest(_ spellings: [String]) -> String {
    spellings.min { ($0.utf8.count, $0) < ($1.utf8.count, $1) } ?? ""
  }

  private static func precedes(_ a: String, _ b: String) -> Bool {
    a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars)
  }
}
