import Values

/// What a grid file says about its data, and what is known of a data set without opening it.

package struct DatasetSpec: Hashable, Sendable {
  package enum Name: String, CaseIterable, Sendable {
    case fashionMNIST = "fashion-mnist"
    case cifar10 = "cifar-10"
    case cifar100 = "cifar-100"
    case imageNet = "imagenet"
    case csv
    case synthetic
  }

  /// The data set, with what belongs to its kind alone.
  package enum Source: Hashable, Sendable {
    case fashionMNIST, cifar10, cifar100, imageNet
    /// `path` is the file with the samples, beneath a data folder that the worker allows; `label` the
    /// column with the label, the last one when nil.
    case csv(path: String, label: String?)
    case synthetic(Synthetic)
  }

  package var source: Source
  /// How many training samples to use: the first ones of the set. Nil: all.
  package var train: Int?
  /// How many test samples to use. Nil: all (CSV: a fifth of the rows).
  package var test: Int?
  /// Training samples held out for validation.
  package var validation: Int
  package var augment: Augment

  package var name: Name {
    switch source {
    case .fashionMNIST: .fashionMNIST
    case .cifar10: .cifar10
    case .cifar100: .cifar100
    case .imageNet: .imageNet
    case .csv: .csv
    case .synthetic: .synthetic
    }
  }

  /// The file or the name, for messages.
  package var words: String {
    if case .csv(let path, _) = source, !path.isEmpty { path } else { name.rawValue }
  }

  /// The same data from the file of another description.
  package func at(_ other: DatasetSpec) -> DatasetSpec {
    guard case .csv(_, let label) = source, case .csv(let path, _) = other.source else {
      return self
    }
    var copy = self
    copy.source = .csv(path: path, label: label)
    return copy
  }

  /// The same data, wherever their file is.
  package var withoutPath: DatasetSpec {
    guard case .csv(_, let label) = source else { return self }
    var copy = self
    copy.source = .csv(path: "", label: label)
    return copy
  }

  package struct Augment: Hashable, Sendable {
    /// Pixels of reflection padding around a random crop of the picture's own size.
    package var cropPadding: Int
    /// Mirror left and right with probability one half.
    package var flip: Bool

    package static let none = Augment(cropPadding: 0, flip: false)
  }

  /// Pictures drawn from one smooth prototype a class, shifted and covered with noise.
  package struct Synthetic: Hashable, Sendable {
    package var height: Int
    package var width: Int
    package var channels: Int
    package var classes: Int
    /// Standard deviation of the noise over that of the prototypes.
    package var noise: Rational
    package var seed: Int
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

  package init(
    train: Int, test: Int, height: Int, width: Int, channels: Int, classes: Int, digest: String?
  ) {
    self.train = train
    self.test = test
    self.height = height
    self.width = width
    self.channels = channels
    self.classes = classes
    self.digest = digest
  }
}

extension DatasetSpec {
  static let shape: Shape = {
    let name = Shape.choice(Name.allCases.map(\.rawValue))
    let count = Shape.integer(1...(.max))
    return .either([
      name,
      .object(
        ObjectShape(
          fields: [
            .init("name", name, required: true, "The data set."),
            .init("path", .text, "csv: the file, relative to a data folder of the worker."),
            .init("label", .text, "csv: the label's column; the last one by default."),
            .init("train", count, "Use the first so many training samples only."),
            .init("test", count, "Use the first so many test samples only; csv: rows to hold out."),
            validation.field,
            .init(
              "augment",
              .object(ObjectShape(fields: [Augment.cropPadding.field, Augment.flip.field])),
              "Augmentation of training pictures; none by default."),
          ] + Synthetic.fields)),
    ])
  }()

  private static let validation = DocumentField.integer(
    "validation", 0...(.max), default: 0, "Training samples held out for validation")

  /// Nil where the name is none; the shape has said so.
  init?(_ node: JSON, at path: String, problems: inout [Problem]) {
    let written = node.stringValue ?? node["name"]?.stringValue
    guard let name = written.flatMap(Name.init(rawValue:)) else { return nil }
    let file = node["path"]?.stringValue
    source =
      switch name {
      case .fashionMNIST: .fashionMNIST
      case .cifar10: .cifar10
      case .cifar100: .cifar100
      case .imageNet: .imageNet
      case .csv: .csv(path: file ?? "", label: node["label"]?.stringValue)
      case .synthetic: .synthetic(Synthetic(node))
      }
    train = node["train"]?.intValue
    test = node["test"]?.intValue
    validation = DatasetSpec.validation.value(in: node)
    augment = Augment(node["augment"] ?? .null)
    refuseForeignKeys(node, at: path, problems: &problems)
    switch (name, file) {
    case (.csv, nil): problems.append(Problem(join(path, "path"), "is missing: csv needs a file"))
    case (.csv, let file?) where !DatasetSpec.staysInside(file):
      problems.append(
        Problem(
          join(path, "path"),
          "found \"\(file)\"; allowed: a path inside a data folder, not absolute and without \"..\""
        ))
    default: break
    }
    if let facts = builtInFacts, name == .synthetic {
      // The shape may not have been checked yet: sizes may be anything.
      let (samples, overflow) = facts.train.addingReportingOverflow(facts.test)
      let size = [facts.width, facts.channels].reduce(facts.height) {
        $0.multipliedReportingOverflow(by: $1).overflow ? .max : $0 * $1
      }
      // Each class has a prototype, in double precision.
      let (rows, more) = samples.addingReportingOverflow(2 * max(0, min(facts.classes, 1000)))
      if overflow || more || rows > DatasetSpec.mostSyntheticNumbers / max(size, 1) {
        problems.append(
          Problem(
            join(path, "train"),
            "\(facts.train) and \(facts.test) samples and \(facts.classes) prototypes of \(size) "
              + "numbers do not fit in memory; at most \(DatasetSpec.mostSyntheticNumbers) numbers")
        )
      }
    }
    if augment != .none, name == .csv {
      problems.append(Problem(join(path, "augment"), "csv rows are not pictures; leave it out"))
    }
    refuseMoreThanPublished(at: path, problems: &problems)
  }

  /// Two gibibytes as floats: what is made up need not be larger.
  private static let mostSyntheticNumbers = 1 << 29

  /// Refuses more samples than a named set is published with.
  private func refuseMoreThanPublished(at path: String, problems: inout [Problem]) {
    var whole = self
    (whole.train, whole.test) = (nil, nil)
    guard name != .synthetic, let facts = whole.builtInFacts else { return }
    for (key, asked, published) in [("train", train, facts.train), ("test", test, facts.test)] {
      if let asked, asked > published {
        problems.append(
          Problem(join(path, key), "found \(asked); \(name.rawValue) has \(published)"))
      }
    }
  }

  private func refuseForeignKeys(_ node: JSON, at path: String, problems: inout [Problem]) {
    let onlyCSV = ["path", "label"]
    let onlySynthetic = Synthetic.fields.map(\.key)
    for (keys, owner) in [(onlyCSV, Name.csv), (onlySynthetic, .synthetic)] where name != owner {
      for key in keys where node[key] != nil {
        problems.append(
          Problem(join(path, key), "belongs to \(owner.rawValue), not to \(name.rawValue)"))
      }
    }
  }

  /// A relative path that cannot climb out of its folder.
  package static func staysInside(_ path: String) -> Bool {
    !path.isEmpty && !path.hasPrefix("/") && !path.contains("\0")
      && !path.split(separator: "/", omittingEmptySubsequences: false).contains("..")
  }

  /// What is known of the named sets by their publication, with the digests that are pinned.
  package var builtInFacts: DatasetFacts? {
    func pictures(
      _ train: Int, _ test: Int, side: Int, _ channels: Int, _ classes: Int, _ digest: String?
    )
      -> DatasetFacts
    {
      DatasetFacts(
        train: min(self.train ?? train, train), test: min(self.test ?? test, test), height: side,
        width: side, channels: channels, classes: classes, digest: digest)
    }
    switch source {
    case .fashionMNIST:
      return pictures(60_000, 10_000, side: 28, 1, 10, DatasetSpec.fashionMNISTDigest)
    case .cifar10: return pictures(50_000, 10_000, side: 32, 3, 10, nil)
    case .cifar100: return pictures(50_000, 10_000, side: 32, 3, 100, nil)
    case .imageNet: return pictures(1_281_167, 50_000, side: 224, 3, 1000, nil)
    case .csv: return nil
    case .synthetic(let synthetic):
      return DatasetFacts(
        train: train ?? 4096, test: test ?? 1024, height: synthetic.height, width: synthetic.width,
        channels: synthetic.channels, classes: synthetic.classes,
        digest: Digest.sha256(of: "synthetic " + json.encoded(sorted: true)))
    }
  }

  /// SHA-256 over the four files of Fashion-MNIST as published, decompressed, in the order training
  /// images, training labels, test images, test labels.
  package static let fashionMNISTDigest =
    "14410854cf7a289477dcfc7df3f8ec24741e281cdcc425ede0d9a748ca630214"

  package var json: JSON {
    var members: [JSON.Member] = [.init("name", .string(name.rawValue))]
    func add(_ key: String, _ value: JSON?) {
      if let value { members.append(.init(key, value)) }
    }
    if case .csv(let path, let label) = source {
      add("path", path.isEmpty ? nil : .string(path))
      add("label", label.map(JSON.string))
    }
    add("train", train.map(JSON.integer))
    add("test", test.map(JSON.integer))
    if validation > 0 { members.append(DatasetSpec.validation.member(validation)) }
    if augment != .none { add("augment", augment.json) }
    if case .synthetic(let synthetic) = source { members += synthetic.members }
    return .object(members)
  }
}

extension DatasetSpec {
  /// Reads a description from outside: its shape is checked first.
  package init(checking node: JSON) throws(InvalidDocument) {
    var problems: [Problem] = []
    DatasetSpec.shape.check(node, at: "dataset", into: &problems)
    guard problems.isEmpty, let spec = DatasetSpec(node, at: "dataset", problems: &problems),
      problems.isEmpty
    else { throw InvalidDocument(problems) }
    self = spec
  }
}

extension DatasetSpec.Augment {
  static let cropPadding = DocumentField.integer(
    "crop_padding", 0...64, default: 0, "Random crop: pixels of reflection padding")
  static let flip = DocumentField.flag("flip", "Random horizontal flip")

  init(_ node: JSON) {
    cropPadding = Self.cropPadding.value(in: node)
    flip = Self.flip.value(in: node)
  }

  var json: JSON { .object([Self.cropPadding.member(cropPadding), Self.flip.member(flip)]) }
}

extension DatasetSpec.Synthetic {
  private static let height = DocumentField.integer(
    "height", 1...1024, default: 8, "synthetic: pixels")
  private static let width = DocumentField.integer(
    "width", 1...1024, default: 8, "synthetic: pixels")
  private static let channels = DocumentField.integer(
    "channels", 1...64, default: 1, "synthetic: channels")
  private static let classes = DocumentField.integer(
    "classes", 2...1000, default: 10, "synthetic: classes")
  private static let noise = DocumentField.number(
    "noise", .from(0, to: 100), default: "1", "synthetic: noise over signal")
  private static let seed = DocumentField.integer(
    "seed", 0...(.max), default: 0, "synthetic: the seed of the data")

  static let fields = [
    height.field, width.field, channels.field, classes.field, noise.field, seed.field,
  ]

  init(_ node: JSON) {
    height = Self.height.value(in: node)
    width = Self.width.value(in: node)
    channels = Self.channels.value(in: node)
    classes = Self.classes.value(in: node)
    noise = Self.noise.value(in: node)
    seed = Self.seed.value(in: node)
  }

  var members: [JSON.Member] {
    [
      Self.height.member(height), Self.width.member(width), Self.channels.member(channels),
      Self.classes.member(classes),
      // In double precision: digests of made-up data have it so.
      .init("noise", .real(noise.double)), Self.seed.member(seed),
    ]
  }
}
