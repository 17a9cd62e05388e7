import Values

/// A grid file: one experiment and the axes along which it varies. Reading it gives runs, or all of
/// its problems at once.

package struct Grid: Sendable {
  package var name: String
  /// The file's document, as written.
  package var document: JSON
  /// What varies but the seed; every setting is run with every seed.
  package var settings: [Setting]
  package var seeds: [Int]
  /// Whether stages that runs have in common are trained once, for all of them and for other grids.
  package var sharesStages: Bool

  /// Two files with the same content have the same digest, however they are spaced or ordered.
  package var contentDigest: String { Digest.sha256(of: document.encoded(sorted: true)) }
}

/// One point of all axes but the seed.
package struct Setting: Sendable {
  package var labels: [JSON.Member]
  package var spec: RunSpec

  /// The axes' values in file order: `learning_rate=0.4,schedule=hybrid`; empty without axes.
  package var name: String { Setting.name(labels) }

  static func name(_ labels: [JSON.Member]) -> String {
    labels.map { "\($0.key)=\(Axis.text(of: $0.value))" }.joined(separator: ",")
  }

  package var variant: String? { labels.first { $0.key == "variant" }?.value.stringValue }

  /// The name of a run is the setting's and the seed: `learning_rate=0.4,schedule=hybrid,seed=1`.
  package static func runName(_ setting: String, seed: String) -> String {
    setting.isEmpty ? "seed=\(seed)" : "\(setting),seed=\(seed)"
  }
}

package struct Run: Sendable {
  package var setting: Setting
  package var seed: Int

  package var name: String { Setting.runName(setting.name, seed: String(seed)) }
}

extension Grid {
  /// More runs than any grid is likely to mean; a typo in an axis should not fill the queue.
  package static let runLimit = 1_000_000

  static let axisShape = Shape.map(
    .list(.anything, count: 1...runLimit), keys: "dotted paths, each with a list of values")

  /// What a file has before the members of its runs.
  private static let head: [ObjectShape.Field] = [
    .init("format", .integer(1...1), "The version of this format: 1."),
    .init(
      "name", .name, required: true, "The grid's name, unique in the queue; not digits alone."),
    .init("description", .text, "What the grid is for."),
    .init(
      "share_stages", .bool,
      "Whether stages that runs have in common are trained once (the default), or by each run alone."
    ),
  ]

  private static let axes: [ObjectShape.Field] = [
    .init(
      "seeds",
      .either([
        .list(.integer(0...SeedRange.largest), count: 1...runLimit),
        .word(
          allowed: "a range such as \"1-10\"", pattern: "^[0-9]+-[0-9]+$", near: [],
          accepts: { SeedRange($0) != nil }),
      ]), "One run a seed, as a list or a range \"1-10\"; [1] by default."),
    .init("grid", axisShape, "Axes: every combination of values becomes a run."),
    .init("zip", axisShape, "Axes in lockstep: lists of one length, the n-th values together."),
    .init(
      "variants", .map(.map(.anything, keys: "dotted paths with values"), keys: "named variants"),
      "Named sets of overrides."),
  ]

  static func fileShape(_ datasets: DatasetVocabulary) -> ObjectShape {
    ObjectShape(fields: head + RunSpec.fields(datasets) + axes)
  }

  /// The JSON Schema (draft 2020-12) of grid files.
  package static func schema(_ datasets: DatasetVocabulary) -> JSON {
    var members: [JSON.Member] = [
      .init("$schema", "https://json-schema.org/draft/2020-12/schema"),
      .init("title", "jobctl grid file"),
    ]
    // Keys that an axis may supply are not required of the file itself.
    let required: JSON = ["name"]
    for member in Shape.object(fileShape(datasets)).schema.members ?? [] {
      members.append(member.key == "required" ? .init("required", required) : member)
    }
    return .object(members)
  }

  package init(parsing text: String, _ datasets: DatasetVocabulary) throws(InvalidDocument) {
    let document: JSON
    do { document = try JSON(parsing: text) } catch {
      let start = text.drop { $0.isWhitespace || $0 == "\u{FEFF}" }
      guard start.isEmpty || start.hasPrefix("{") || start.hasPrefix("/") || start.hasPrefix("#")
      else {
        let line = start.prefix { !$0.isNewline }
        throw InvalidDocument([
          Problem(
            "",
            "this is not JSON: it begins with \"\(shortened(String(line), to: 40))\", and a grid file "
              + "with { (YAML is not read; jobctl schema prints the form)")
        ])
      }
      throw InvalidDocument([Problem("", "this is not JSON: \(error.description)")])
    }
    try self.init(document: document, datasets)
  }

  package init(document: JSON, _ datasets: DatasetVocabulary) throws(InvalidDocument) {
    var problems: [Problem] = []
    Shape.object(Grid.fileShape(datasets)).check(document, at: "", partial: true, into: &problems)
    let run = Shape.object(ObjectShape(fields: RunSpec.fields(datasets)))
    let axes = Axis.all(in: document, of: run, problems: &problems)
    if document["name"] == nil {
      problems.append(Problem("name", "is missing: \(Shape.name.words)"))
    }
    if let name = document["name"]?.stringValue, !name.isEmpty, name.allSatisfy(\.isNumber) {
      problems.append(
        Problem(
          "name",
          "found \"\(name)\"; digits alone are a grid's number in commands: add a letter"))
    }
    guard problems.isEmpty else {
      throw InvalidDocument(problems + Grid.further(document, datasets, than: problems))
    }
    self.document = document
    name = document["name"]?.stringValue ?? ""
    sharesStages = document["share_stages"]?.boolValue ?? true
    seeds = Axis.seeds(in: document)
    settings = try Grid.expand(document, datasets, along: axes, seeds: seeds)
  }

  package var runCount: Int { settings.count * seeds.count }

  /// Every run, one by one: seeds vary fastest.
  package var runs: [Run] {
    settings.flatMap { setting in seeds.map { Run(setting: setting, seed: $0) } }
  }

  /// What else is wrong in the sections whose shape is right, so that nothing is left for a second try.
  private static func further(
    _ document: JSON, _ datasets: DatasetVocabulary, than problems: [Problem]
  ) -> [Problem] {
    let broken = Set(problems.map(\.section))
    var found: [Problem] = []
    // The network has no influence on batches and rates: where it is broken, any other will do.
    let readable =
      broken.contains("network") ? document.setting(["network"], to: "cnn") : document
    let spec = RunSpec(readable, datasets, problems: &found)
    // Sizes that the data set does not have may be beyond arithmetic.
    if let spec, broken.isDisjoint(with: ["dataset", "epochs", "batch", "optimizer", "schedule"]),
      !found.contains(where: { $0.section == "dataset" }),
      let samples = spec.training.trainer?.samplesPerEpoch
        ?? spec.training.dataset.publishedFacts?.train
    {
      _ = spec.phases(samples: samples, problems: &found)
    }
    // An axis may supply what the document lacks: only what is there is judged.
    return found.filter { !broken.contains($0.section) && document[$0.section] != nil }
  }

  private static func expand(
    _ document: JSON, _ datasets: DatasetVocabulary, along axes: [Axis], seeds: [Int]
  ) throws(InvalidDocument) -> [Setting] {
    let count = axes.reduce(1) {
      $0 * min($1.points.count, runLimit + 1) > runLimit ? runLimit + 1 : $0 * $1.points.count
    }
    guard count * seeds.count <= runLimit else {
      throw InvalidDocument([Problem("", "the axes span more than \(runLimit) runs")])
    }
    let fields = RunSpec.fields(datasets)
    let base = JSON.object(
      (document.members ?? []).filter { member in fields.contains { $0.key == member.key } })
    let longestSeed = String(seeds.max() ?? 1)
    var found = RunProblems()
    var settings: [Setting] = []
    var names = RunNames()
    let shape = Shape.object(ObjectShape(fields: fields))
    for index in 0..<count {
      var (rest, node, labels) = (index, base, [JSON.Member]())
      var points: [Axis.Point] = []
      for axis in axes.reversed() {
        points.append(axis.points[rest % axis.points.count])
        rest /= axis.points.count
      }
      for point in points.reversed() {
        for (path, value) in point.overrides { node = node.setting(path[...], to: value) }
        labels += point.labels
      }
      var problems: [Problem] = []
      let setting = Setting.name(labels)
      names.add(Setting.runName(setting, seed: longestSeed))
      shape.check(node, at: "", into: &problems)
      RunSpec.checkParts(node, datasets, problems: &problems)
      if problems.isEmpty, let spec = RunSpec(node, datasets, problems: &problems) {
        settings.append(Setting(labels: labels, spec: spec))
      }
      found.add(problems, of: Setting.runName(setting, seed: String(seeds[0])), seeds.count)
    }
    try found.throwIfAny(of: count * seeds.count, first: names.problems)
    return settings
  }
}

/// Names of runs, and what is wrong with them: one problem a cause, however many have it.
private struct RunNames {
  /// The first name with a fault, and how many have it.
  private struct Fault {
    var first: String?
    var bytes = 0
    var count = 0

    mutating func add(_ name: String) {
      if first == nil { (first, bytes) = (shortened(name, to: 120), name.utf8.count) }
      count += 1
    }
  }

  private var known: Set<String> = []
  private var tooLong = Fault()
  private var unfit = Fault()
  private var twice = Fault()

  mutating func add(_ name: String) {
    if name.utf8.count > longestRunName {
      tooLong.add(name)
    } else if !hasNameBytes(name) {
      unfit.add(name)
    } else if !known.insert(name).inserted {
      twice.add(name)
    }
  }

  var problems: [Problem] {
    func problem(_ fault: Fault, _ words: String) -> Problem? {
      fault.first.map { first in
        let others = fault.count > 1 ? " (\(fault.count - 1) more like it)" : ""
        return Problem("", "the run's name \"\(first)\" \(words)\(others)")
      }
    }
    return [
      problem(
        tooLong,
        "has \(tooLong.bytes) bytes, at most \(longestRunName): name long values by variants"
      ),
      problem(
        unfit, "has other characters than letters, digits and ._=+,-: name such values by variants"),
      problem(twice, "is given to two runs: name their values by variants"),
    ].compactMap { $0 }
  }
}

/// Problems of runs, told once however many runs have them.
struct RunProblems {
  private var order: [Problem] = []
  private var runs: [Problem: (first: String, count: Int)] = [:]

  /// Of so many runs, the first of which is named.
  mutating func add(_ problems: [Problem], of run: String, _ count: Int) {
    for problem in problems {
      if runs[problem] == nil { order.append(problem) }
      runs[problem, default: (run, 0)].count += count
    }
  }

  /// `first` are problems of the grid as a whole.
  func throwIfAny(of total: Int, first: [Problem] = []) throws(InvalidDocument) {
    guard !(order.isEmpty && first.isEmpty) else { return }
    throw InvalidDocument(
      first
        + order.map { problem in
          guard let (first, count) = runs[problem], count < total else { return problem }
          let others = count > 1 ? " and \(count - 1) more" : ""
          return Problem(problem.path, problem.message + " (run \(first)\(others))")
        })
  }
}
