/// What a JSON document may look like, as data: one table serves the checks, their messages and the
/// JSON Schema, so that they cannot disagree.

package indirect enum Shape: Sendable {
  case name
  case text
  case bool
  /// One of some words. `elsewhere` says of other words what they are written as.
  case choice([String], elsewhere: [String: String] = [:])
  /// A word with a grammar: `allowed` says it in words, `pattern` as a regular expression.
  case word(allowed: String, pattern: String, near: [String], accepts: @Sendable (String) -> Bool)
  case integer(ClosedRange<Int>)
  case number(Bounds)
  /// A number, or a fraction of something as text: "1/3".
  case fraction(Bounds, of: String)
  case list(Shape, count: ClosedRange<Int>)
  case object(ObjectShape)
  /// Any keys, each with a value of this shape.
  case map(Shape, keys: String)
  case either([Shape])
  case anything

  package struct Bounds: Sendable {
    var low: Double
    package var high: Double
    var lowIsAllowed: Bool

    package static func above(_ low: Double, to high: Double = .infinity) -> Bounds {
      Bounds(low: low, high: high, lowIsAllowed: false)
    }
    package static func from(_ low: Double, to high: Double = .infinity) -> Bounds {
      Bounds(low: low, high: high, lowIsAllowed: true)
    }

    package func contains(_ value: Double) -> Bool {
      value.isFinite && (lowIsAllowed ? value >= low : value > low) && value <= high
    }

    var words: String {
      let lower = lowIsAllowed ? "at least \(JSON.text(of: low))" : "above \(JSON.text(of: low))"
      return high.isFinite ? "\(lower) and at most \(JSON.text(of: high))" : lower
    }
  }
}

package struct ObjectShape: Sendable {
  package struct Field: Sendable {
    package let key: String
    package let shape: Shape
    let isRequired: Bool
    let doc: String

    package init(_ key: String, _ shape: Shape, required: Bool = false, _ doc: String) {
      self.key = key
      self.shape = shape
      self.isRequired = required
      self.doc = doc
    }

    /// A member that two owners have in common: what either allows, and what both say of it.
    package func joined(with other: Field) -> Field {
      return Field(
        key, shape.joined(with: other.shape),
        required: isRequired && other.isRequired, doc == other.doc ? doc : "\(doc) \(other.doc)")
    }
  }

  let fields: [Field]

  package init(fields: [Field]) { self.fields = fields }

  subscript(key: String) -> Field? { fields.first { $0.key == key } }

  /// The place of a key that stands one object too high: `optimizer.learning_rate`.
  func place(of key: String) -> String? {
    for field in fields {
      let keys = field.shape.objectShapes.flatMap { $0.fields.map(\.key) }
      if keys.contains(key) { return "\(field.key).\(key)" }
      if let meant = suggestion(key, among: keys), meant != nearest(key, among: keys) {
        return "\(field.key).\(meant)"
      }
    }
    return nil
  }
}

extension Shape {
  /// What either of two allows: of two objects one with the members of both.
  fileprivate func joined(with other: Shape) -> Shape {
    if case .object(let own) = self, case .object(let others) = other {
      let more = others.fields.filter { own[$0.key] == nil }
      return .object(ObjectShape(fields: own.fields + more))
    }
    return words == other.words ? self : .either([self, other])
  }
}

extension Shape {
  private static let mostUnknown = 20

  /// In words, for "allowed: ...".
  package var words: String {
    switch self {
    case .name: "a name of 1 to 100 letters, digits and ._=+,-"
    case .text: "text without the characters NUL and DEL"
    case .bool: "true or false"
    case .choice(let names, _): names.joined(separator: ", ")
    case .word(let allowed, _, _, _): allowed
    case .integer(let range):
      range.upperBound == .max
        ? "a whole number from \(range.lowerBound) up"
        : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .number(let bounds): "a number \(bounds.words)"
    case .fraction(let bounds, let whole):
      "a number \(bounds.words), or a fraction of \(whole) such as \"1/3\""
    case .list(let item, let count):
      "a list of \(count.lowerBound) to \(count.upperBound) values, each \(item.words)"
    case .object(let object): "an object with " + object.fields.map(\.key).joined(separator: ", ")
    case .map(_, let keys): "an object of \(keys)"
    case .either(let shapes): shapes.map(\.words).joined(separator: "; or ")
    case .anything: "any value"
    }
  }

  /// Adds what is wrong with `value`. Missing required keys are reported unless `partial`.
  package func check(
    _ value: JSON, at path: String, partial: Bool = false, into problems: inout [Problem]
  ) {
    switch (self, value) {
    case (.anything, _), (.bool, .bool): break
    case (.text, .string(let text)) where !text.utf8.contains(where: { $0 == 0 || $0 == 0x7F }):
      break
    case (.name, .string(let text)) where isValidName(text): break
    case (.choice(let names, _), .string(let text)) where names.contains(text): break
    case (.word(_, _, _, let accepts), .string(let text)) where accepts(text): break
    case (.integer(let range), .number) where value.intValue.map(range.contains) ?? false: break
    case (.number(let bounds), .number(let text))
    where bounds.contains(value.doubleValue ?? .nan) && Rational(text) != nil: break
    case (.fraction(let bounds, _), .number(let text))
    where bounds.contains(value.doubleValue ?? .nan) && Rational(text) != nil: break
    case (.fraction, .string(let text)) where isProperFraction(text): break
    case (.list(let item, let count), .array(let items)) where count.contains(items.count):
      for (index, element) in items.enumerated() {
        item.check(element, at: "\(path)[\(index)]", partial: partial, into: &problems)
      }
    case (.map(let item, _), .object(let members)):
      for member in members {
        item.check(member.value, at: join(path, member.key), partial: partial, into: &problems)
      }
    case (.object(let object), .object(let members)):
      check(members, of: object, at: path, partial: partial, into: &problems)
    case (.either(let shapes), _):
      checkEither(shapes, value, at: path, partial: partial, into: &problems)
    default:
      problems.append(
        Problem(path, complaint(about: value, at: path), isUnknown: !isOutOfBounds(value)))
    }
  }

  /// Whether a value is of the right kind, and beyond what is allowed.
  private func isOutOfBounds(_ value: JSON) -> Bool {
    switch (self, value) {
    case (.integer, .number), (.number, .number), (.fraction, .number), (.list, .array): true
    default: false
    }
  }

  private func isProperFraction(_ text: String) -> Bool {
    guard text.contains("/"), let fraction = Rational(text) else { return false }
    return fraction > .zero && fraction <= .one
  }

  private func check(
    _ members: [JSON.Member], of object: ObjectShape, at path: String, partial: Bool,
    into problems: inout [Problem]
  ) {
    var meant: Set<String> = []
    var unknown = 0
    for member in members {
      if let field = object[member.key] {
        field.shape.check(
          member.value, at: join(path, member.key), partial: partial, into: &problems)
      } else {
        // So many unknown keys are no typos; the first ones are told.
        unknown += 1
        guard unknown <= Shape.mostUnknown else { continue }
        let keys = object.fields.map(\.key)
        let key = suggestion(member.key, among: keys)
        let nested = key == nil ? object.place(of: member.key) : nil
        if let key { meant.insert(key) }
        let hint = (key ?? nested).map { "; did you mean \"\($0)\"" } ?? ""
        problems.append(
          Problem(
            join(path, member.key),
            "unknown key\(hint); allowed here: \(keys.joined(separator: ", "))", isUnknown: true))
      }
    }
    guard !partial else { return }
    // A key that is there under a wrong name is told once.
    for field in object.fields where field.isRequired && !meant.contains(field.key) {
      if !members.contains(where: { $0.key == field.key }) {
        problems.append(
          Problem(join(path, field.key), "is missing: \(field.shape.words)", isUnknown: true))
      }
    }
  }

  /// A value is checked against the alternative of its own JSON kind, so that the message speaks of
  /// what the author meant to write.
  private func checkEither(
    _ shapes: [Shape], _ value: JSON, at path: String, partial: Bool, into problems: inout [Problem]
  ) {
    let attempts = shapes.map { shape in
      var found: [Problem] = []
      shape.check(value, at: path, partial: partial, into: &found)
      return (shape: shape, problems: found)
    }
    guard !attempts.contains(where: { $0.problems.isEmpty }) else { return }
    if let meant = attempts.first(where: { $0.shape.takesKind(of: value) }) {
      problems += meant.problems
    } else {
      problems.append(Problem(path, complaint(about: value, at: path), isUnknown: true))
    }
  }

  private func takesKind(of value: JSON) -> Bool {
    switch (self, value) {
    case (.object, .object), (.map, .object), (.list, .array), (.bool, .bool): true
    case (.integer, .number), (.number, .number), (.fraction, .number): true
    case (.name, .string), (.text, .string), (.choice, .string), (.word, .string): true
    case (.fraction, .string(let text)): text.contains("/")
    case (.either(let shapes), _): shapes.contains { $0.takesKind(of: value) }
    default: false
    }
  }

  private func complaint(about value: JSON, at path: String) -> String {
    let found: String
    switch value {
    case .string, .number, .bool, .null: found = shortened(value.encoded(), to: 100)
    case .array(let items): found = items.isEmpty ? "an empty list" : "a list of \(items.count)"
    case .object: found = value.kindName
    }
    return "found \(found)\(advice(on: value, at: path)); allowed: \(words)"
  }

  /// The likely meaning, if it can be told.
  private func advice(on value: JSON, at path: String) -> String {
    switch (self, value) {
    case (.choice(_, let elsewhere), .string(let text)) where elsewhere[text.lowercased()] != nil:
      "; write \(elsewhere[text.lowercased()] ?? "")"
    case (.choice(let names, _), .string(let text)), (.word(_, _, let names, _), .string(let text)):
      hint(text, among: names)
    case (.either(let shapes), .string):
      shapes.lazy.map { $0.advice(on: value, at: path) }.first { !$0.isEmpty } ?? ""
    case (.number(let bounds), .number(let text)), (.fraction(let bounds, _), .number(let text)):
      bounds.contains(value.doubleValue ?? .nan) && Rational(text) == nil
        ? " (numbers are kept exactly: at most \(Rational.mostPlaces) places before or after the "
          + "point, and 38 digits)" : ""
    case (.list, .array): ""
    case (_, .array) where !["grid", "zip", "variants"].contains(Problem(path, "").section):
      "; several values to try go into \"grid\": { \"\(path)\": [...] }"
    default: ""
    }
  }

  /// The shape at a dotted path below this one, or the keys that are allowed where the path leaves it.
  package func shape(at path: ArraySlice<String>) -> Result<Shape, UnknownPath> {
    guard let key = path.first else { return .success(self) }
    if case .anything = self { return .success(self) }
    if case .map(let item, _) = self { return item.shape(at: path.dropFirst()) }
    let objects = objectShapes
    for object in objects {
      if let field = object[key] { return field.shape.shape(at: path.dropFirst()) }
    }
    return .failure(UnknownPath(key: key, allowed: objects.flatMap { $0.fields.map(\.key) }))
  }

  package struct UnknownPath: Error {
    package let key: String
    package let allowed: [String]
  }

  fileprivate var objectShapes: [ObjectShape] {
    switch self {
    case .object(let object): [object]
    case .either(let shapes): shapes.flatMap(\.objectShapes)
    default: []
    }
  }
}

package func join(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
