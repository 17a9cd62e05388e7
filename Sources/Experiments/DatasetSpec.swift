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

  package var name: Name
  /// CSV: the file with the samples, beneath a data folder that the worker allows.
  package var path: String?
  /// CSV: the column with the label; the last one when nil.
  package var label: String?
  /// How many training samples to use: the first ones of the set. Nil: all.
  package var train: Int?
  /// How many test samples to use. Nil: all (CSV: a fifth of the rows).
  package var test: Int?
  /// Training samples held out for validation.
  package var validation: Int
  package var augment: Augment
  package var synthetic: Synthetic?

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
    let side = Shape.integer(1...1024)
    return .either([
      name,
      .object(
        ObjectShape(fields: [
          .init("name", name, required: true, "The data set."),
          .init("path", .text, "csv: the file, relative to a data folder of the worker."),
          .init("label", .text, "csv: the label's column; the last one by default."),
          .init("train", count, "Use the first so many training samples only."),
          .init("test", count, "Use the first so many test samples only; csv: rows to hold out."),
          .init("validation", .integer(0...(.max)), "Training samples held out for validation."),
          .init(
            "augment",
            .object(
              ObjectShape(fields: [
                .init(
                  "crop_padding", .integer(0...64), "Random crop: pixels of reflection padding."),
                .init("flip", .bool, "Random horizontal flip."),
              ])), "Augmentation of training pictures; none by default."),
          .init("height", side, "synthetic: pixels; 8 by default."),
          .init("width", side, "synthetic: pixels; 8 by default."),
          .init("channels", .integer(1...64), "synthetic: channels; 1 by default."),
          .init("classes", .integer(2...1000), "synthetic: classes; 10 by default."),
          .init("noise", .number(.from(0, to: 100)), "synthetic: noise over signal; 1 by default."),
          .init("seed", .integer(0...(.max)), "synthetic: the seed of the data; 0 by default."),
        ])),
    ])
  }()

  init(_ node: JSON, at path: String, problems: inout [Problem]) {
    let name = node.stringValue ?? node["name"]?.stringValue ?? ""
    self.name = Name(rawValue: name) ?? .synthetic
    self.path = node["path"]?.stringValue
    label = node["label"]?.stringValue
    train = node["train"]?.intValue
    test = node["test"]?.intValue
    validation = node["validation"]?.intValue ?? 0
    augment = Augment(
      cropPadding: node["augment"]?["crop_padding"]?.intValue ?? 0,
      flip: node["augment"]?["flip"]?.boolValue ?? false)
    if self.name == .synthetic {
      synthetic = Synthetic(
        height: node["height"]?.intValue ?? 8, width: node["width"]?.intValue ?? 8,
        channels: node["channels"]?.intValue ?? 1, classes: node["classes"]?.intValue ?? 10,
        noise: node["noise"].flatMap(Rational.init(literal:)) ?? .one,
        seed: node["seed"]?.intValue ?? 0)
    }
    refuseForeignKeys(node, at: path, problems: &problems)
    switch (self.name, self.path) {
    case (.csv, nil): problems.append(Problem(join(path, "path"), "is missing: csv needs a file"))
    case (.csv, let file?) where !DatasetSpec.staysInside(file):
      problems.append(
        Problem(
          join(path, "path"),
          "found \"\(file)\"; allowed: a path inside a data folder, not absolute and without \"..\""
        ))
    default: break
    }
    if let facts = builtInFacts, self.name == .synthetic {
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
    if augment != .none, self.name == .csv {
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
    let onlySynthetic = ["height", "width", "channels", "classes", "noise", "seed"]
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
    switch name {
    case .fashionMNIST:
      return pictures(60_000, 10_000, side: 28, 1, 10, DatasetSpec.fashionMNISTDigest)
    case .cifar10: return pictures(50_000, 10_000, side: 32, 3, 10, nil)
    case .cifar100: return pictures(50_000, 10_000, side: 32, 3, 100, nil)
    case .imageNet: return pictures(1_281_167, 50_000, side: 224, 3, 1000, nil)
    case .csv: return nil
    case .synthetic:
      guard let synthetic else { return nil }
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
    add("path", path.map(JSON.string))
    add("label", label.map(JSON.string))
    add("train", train.map(JSON.integer))
    add("test", test.map(JSON.integer))
    if validation > 0 { add("validation", .integer(validation)) }
    if augment != .none {
      add("augment", ["crop_padding": .integer(augment.cropPadding), "flip": .bool(augment.flip)])
    }
    if let synthetic {
      add("height", .integer(synthetic.height))
      add("width", .integer(synthetic.width))
      add("channels", .integer(synthetic.channels))
      add("classes", .integer(synthetic.classes))
      add("noise", .real(synthetic.noise.double))
      add("seed", .integer(synthetic.seed))
    }
    return .object(members)
  }
}

extension Rational {
  package init?(literal node: JSON) {
    guard case .number(let text) = node, let value = Rational(text) else { return nil }
    self = value
  }
}

extension DatasetSpec {
  /// Reads a description from outside: its shape is checked first.
  package init(checking node: JSON, problems: inout [Problem]) {
    DatasetSpec.shape.check(node, at: "dataset", into: &problems)
    self.init(node, at: "dataset", problems: &problems)
  }
}
