import Values

/// What a grid file says about its data, and what is known of a data set without opening it. The kinds of
/// data sets are given from outside (`DatasetVocabulary`): planning knows none of them.

package struct DatasetSpec: Sendable {
  package let kind: any DatasetDescription
  /// The kind's own members with their defaults, in its order.
  package internal(set) var members: [JSON.Member]
  /// How many training samples to use: the first ones of the set. Nil: all.
  package var train: Int?
  /// How many test samples to use. Nil: all (of one table: a fifth of the rows).
  package var test: Int?
  /// Training samples held out for validation.
  package var validation: Int

  package var name: String { kind.name }

  package subscript(key: String) -> JSON? { members.first { $0.key == key }?.value }

  /// The place that the description names, or the set's name, for messages.
  package var words: String {
    members.first { kind.places.contains($0.key) }?.value.stringValue ?? name
  }

  /// The same data at the place of another description.
  package func at(_ other: DatasetSpec) -> DatasetSpec {
    guard other.name == name, !kind.places.isEmpty else { return self }
    var copy = withoutPlace
    copy.members = other.members.filter { kind.places.contains($0.key) } + copy.members
    return copy
  }

  /// The same data, wherever their files are.
  package var withoutPlace: DatasetSpec { without(kind.places) }

  /// The samples, whatever is held out of them or done to them in training.
  package var samplesAlone: DatasetSpec {
    var copy = without(kind.uses)
    copy.validation = 0
    return copy
  }

  private func without(_ keys: Set<String>) -> DatasetSpec {
    var copy = self
    copy.members.removeAll { keys.contains($0.key) }
    return copy
  }

  /// What is known of the set by its publication.
  package var publishedFacts: DatasetFacts? { kind.published(self) }

  package var json: JSON {
    var all: [JSON.Member] = [.init("name", .string(name))]
    if let train { all.append(.init("train", .integer(train))) }
    if let test { all.append(.init("test", .integer(test))) }
    if validation > 0 { all.append(DatasetSpec.validation.member(validation)) }
    return .object(all + members)
  }
}

extension DatasetSpec: Hashable {
  package static func == (a: DatasetSpec, b: DatasetSpec) -> Bool {
    a.name == b.name && a.members == b.members && a.train == b.train && a.test == b.test
      && a.validation == b.validation
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(members)
    hasher.combine(train)
    hasher.combine(test)
    hasher.combine(validation)
  }
}

/// What planning needs to know of a data set. `digest` is nil where it depends on absent files.
package struct DatasetFacts: Hashable, Sendable {
  /// Training samples before any are held out for validation.
  package var train: Int
  package var test: Int
  package var height: Int
  package var width: Int
  package var channels: Int
  package var classes: Int
  package var digest: String?
  /// In the order of their numbers; nil where only the files tell, or where classes are numbers.
  package var classNames: [String]?

  package init(
    train: Int, test: Int, height: Int, width: Int, channels: Int, classes: Int, digest: String?,
    classNames: [String]? = nil
  ) {
    self.train = train
    self.test = test
    self.height = height
    self.width = width
    self.channels = channels
    self.classes = classes
    self.digest = digest
    self.classNames = classNames
  }
}

/// A kind of data set as grid files describe it. Its samples are read elsewhere.
package protocol DatasetDescription: Sendable {
  /// Its name in grid files.
  var name: String { get }
  /// Its own members, beside those that every kind has. Kinds may have a member in common.
  var fields: [ObjectShape.Field] { get }
  /// Members that say where the samples are and not which ones they are: no digest depends on them.
  var places: Set<String> { get }
  /// Members that say what training does with the samples.
  var uses: Set<String> { get }
  /// Its members with their defaults, as digests have them. Notes what the shape of each cannot say.
  func members(of node: JSON, at path: String, problems: inout [Problem]) -> [JSON.Member]
  /// True of data that exist only as a function of their description.
  var isMadeUp: Bool { get }
  /// What is known without opening files; nil where only they tell.
  func published(_ spec: DatasetSpec) -> DatasetFacts?
}

extension DatasetDescription {
  package var fields: [ObjectShape.Field] { [] }
  package var places: Set<String> { [] }
  package var uses: Set<String> { [] }
  package var isMadeUp: Bool { false }
  package func members(of node: JSON, at path: String, problems: inout [Problem]) -> [JSON.Member] {
    []
  }
  package func published(_ spec: DatasetSpec) -> DatasetFacts? { nil }
}

/// The kinds of data sets that a program knows.
package struct DatasetVocabulary: Sendable {
  private let kinds: [any DatasetDescription]
  private let kindsOfTrainers: [any DatasetDescription]

  /// `kindsOfTrainers` are of data that only a user's own program reads: no grid file names them.
  package init(
    _ kinds: [any DatasetDescription], ofTrainers kindsOfTrainers: [any DatasetDescription] = []
  ) {
    (self.kinds, self.kindsOfTrainers) = (kinds, kindsOfTrainers)
  }

  package var ofTrainers: DatasetVocabulary { DatasetVocabulary(kindsOfTrainers) }

  package var names: [String] { kinds.map(\.name) }

  /// Members of any kind that say where the samples are.
  package var places: Set<String> { kinds.reduce(into: []) { $0.formUnion($1.places) } }

  /// Of the member `dataset` of a grid file: a name, or an object.
  package var shape: Shape {
    let name = Shape.choice(names)
    let count = Shape.integer(1...(.max))
    var fields: [ObjectShape.Field] = [
      .init("name", name, required: true, "The data set."),
      .init("train", count, "Use the first so many training samples only."),
      .init(
        "test", count, "Use the first so many test samples only; of one table: rows to hold out."),
      DatasetSpec.validation.field,
    ]
    var places: [String: Int] = [:]
    for field in kinds.flatMap(\.fields) {
      if let place = places[field.key] {
        fields[place] = fields[place].joined(with: field)
      } else {
        places[field.key] = fields.count
        fields.append(field)
      }
    }
    return .either([name, .object(ObjectShape(fields: fields))])
  }

  /// Nil where the name is none; the shape has said so.
  func read(_ node: JSON, at path: String, problems: inout [Problem]) -> DatasetSpec? {
    let written = node.stringValue ?? node["name"]?.stringValue
    guard let kind = kinds.first(where: { $0.name == written }) else { return nil }
    let own = Set(kind.fields.map(\.key))
    for other in kinds {
      for key in other.fields.map(\.key) where !own.contains(key) && node[key] != nil {
        let problem = Problem(
          join(path, key), "belongs to \(owners(of: key)), not to \(kind.name)")
        if !problems.contains(problem) { problems.append(problem) }
      }
    }
    let members = kind.members(of: node, at: path, problems: &problems)
    let spec = DatasetSpec(
      kind: kind, members: members, train: node["train"]?.intValue, test: node["test"]?.intValue,
      validation: DatasetSpec.validation.value(in: node))
    refuseMoreThanPublished(spec, at: path, problems: &problems)
    return spec
  }

  /// Reads a description from outside: its shape is checked first.
  package func spec(of node: JSON) throws(InvalidDocument) -> DatasetSpec {
    if let name = node["name"]?.stringValue, ofTrainers.names.contains(name) {
      return try ofTrainers.spec(of: node)
    }
    var problems: [Problem] = []
    shape.check(node, at: "dataset", into: &problems)
    guard problems.isEmpty, let spec = read(node, at: "dataset", problems: &problems),
      problems.isEmpty
    else { throw InvalidDocument(problems) }
    return spec
  }

  private func owners(of key: String) -> String {
    kinds.filter { $0.fields.contains { $0.key == key } }.map(\.name).joined(separator: " and ")
  }

  /// Refuses more samples than a named set is published with.
  private func refuseMoreThanPublished(
    _ spec: DatasetSpec, at path: String, problems: inout [Problem]
  ) {
    var whole = spec
    (whole.train, whole.test) = (nil, nil)
    guard !spec.kind.isMadeUp, let facts = whole.publishedFacts else { return }
    for (key, asked, published) in [
      ("train", spec.train, facts.train), ("test", spec.test, facts.test),
    ] {
      if let asked, asked > published {
        problems.append(
          Problem(join(path, key), "found \(asked); \(spec.name) has \(published)"))
      }
    }
  }
}

extension DatasetSpec {
  static let validation = DocumentField.integer(
    "validation", 0...(.max), default: 0, "Training samples held out for validation")

  /// A relative path that cannot climb out of its folder.
  package static func staysInside(_ path: String) -> Bool {
    !path.isEmpty && !path.hasPrefix("/") && !path.contains("\0")
      && !path.split(separator: "/", omittingEmptySubsequences: false).contains("..")
  }

  /// The member that names a file or folder inside of a data folder. Where it is missing or leads out, there
  /// is none, and a problem is noted.
  package static func place(
    _ node: JSON, _ key: String, of kind: String, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    guard let place = node[key]?.stringValue else {
      problems.append(Problem(join(path, key), "is missing: \(kind) needs it"))
      return []
    }
    guard staysInside(place) else {
      problems.append(
        Problem(
          join(path, key),
          "found \"\(place)\"; allowed: a path inside a data folder, not absolute and without \"..\""
        ))
      return []
    }
    return [.init(key, .string(place))]
  }
}
