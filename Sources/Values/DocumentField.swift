/// A member of a document with its value: one table gives what is allowed, what is said of it, the
/// default where it is left out, and how it is read and written.
package struct DocumentField<Value: Sendable>: Sendable {
  package let key: String
  package let shape: Shape
  /// The value where the member is left out.
  package let fallback: Value
  private let doc: String
  private let read: @Sendable (JSON) -> Value?
  private let written: @Sendable (Value) -> JSON

  init(
    _ key: String, _ shape: Shape, default fallback: Value, _ doc: String,
    read: @escaping @Sendable (JSON) -> Value?, written: @escaping @Sendable (Value) -> JSON
  ) {
    self.key = key
    self.shape = shape
    self.fallback = fallback
    self.doc = doc
    self.read = read
    self.written = written
  }

  /// For the check and for the schema.
  package var field: ObjectShape.Field {
    .init(key, shape, "\(doc); \(written(fallback).encoded()) by default.")
  }

  /// The value in a document; the default where it is not there, or is something else.
  package func value(in node: JSON) -> Value { node[key].flatMap(read) ?? fallback }

  package func member(_ value: Value) -> JSON.Member { .init(key, written(value)) }
}

extension DocumentField<Rational> {
  /// Written as the decimal that is used in single precision.
  package static func number(
    _ key: String, _ bounds: Shape.Bounds, default fallback: String, _ doc: String
  ) -> DocumentField {
    guard let value = Rational(fallback) else { preconditionFailure("\(key) has no default") }
    return DocumentField(
      key, .number(bounds), default: value, doc, read: Rational.init(literal:),
      written: \.json)
  }
}

extension DocumentField<Int> {
  package static func integer(
    _ key: String, _ range: ClosedRange<Int>, default fallback: Int, _ doc: String
  ) -> DocumentField {
    DocumentField(
      key, .integer(range), default: fallback, doc, read: \.intValue, written: JSON.integer)
  }
}

extension DocumentField<Bool> {
  package static func flag(_ key: String, default fallback: Bool = false, _ doc: String)
    -> DocumentField
  {
    DocumentField(key, .bool, default: fallback, doc, read: \.boolValue, written: JSON.bool)
  }
}

extension DocumentField<String> {
  package static func word(
    _ key: String, _ words: [String], default fallback: String, _ doc: String
  ) -> DocumentField {
    DocumentField(
      key, .choice(words), default: fallback, doc, read: \.stringValue, written: JSON.string)
  }
}

extension DocumentField<[Int]> {
  package static func integers(
    _ key: String, _ range: ClosedRange<Int>, count: ClosedRange<Int>, default fallback: [Int],
    _ doc: String
  ) -> DocumentField {
    DocumentField(
      key, .list(.integer(range), count: count), default: fallback, doc,
      read: { $0.items?.compactMap(\.intValue) }, written: { .array($0.map(JSON.integer)) })
  }
}

extension Rational {
  /// The decimal that is used in single precision.
  package var json: JSON { .real(float) }

  package init?(literal node: JSON) {
    guard case .number(let text) = node, let value = Rational(text) else { return nil }
    self = value
  }
}
