/// A grid file: one experiment and the axes along which it varies. Reading it gives runs, or all of
/// its problems at once.

package struct Grid: Sendable {
  package var name: String
  /// The file's document, as written.
  package var document: JSON
  package var runs: [Run]
  /// Whether stages that runs have in common are trained once, for all of them and for other grids.
  package var sharesStages: Bool

  /// Two files with the same content have the same digest, however they are spaced or ordered.
  package var contentDigest: String { Digest.sha256(of: document.encoded(sorted: true)) }
}

package struct Run: Sendable {
  /// The axes' values in file order: `learning_rate=0.4,schedule=hybrid,seed=1`.
  package var name: String
  package var labels: [JSON.Member]
  package var spec: RunSpec

  package var variant: String? { labels.first { $0.key == "variant" }?.value.stringValue }
}

extension Grid {
  /// More runs than any grid is likely to mean; a typo in an axis should not fill the queue.
  package static let runLimit = 1_000_000

  static let axisShape = Shape.map(
    .list(.anything, count: 1...1_000_000), keys: "dotted paths, each with a list of values")

  static let fileShape = ObjectShape(
    fields: [
      .init("format", .integer(1...1), "The version of this format: 1."),
      .init("name", .name, required: true, "The grid's name, unique in the queue."),
      .init("description", .text, "What the grid is for."),
      .init(
        "share_stages", .bool,
        "Whether stages that runs have in common are trained once (the default), or by each run alone."
      ),
    ] + RunSpec.fields + [
      .init(
        "seeds", .list(.integer(0...(1 << 53)), count: 1...1_000_000),
        "One run a seed; [1] by default."),
      .init("grid", axisShape, "Axes: every combination of values becomes a run."),
      .init("zip", axisShape, "Axes in lockstep: lists of one length, the n-th values together."),
      .init(
        "variants", .map(.map(.anything, keys: "dotted paths with values"), keys: "named variants"),
        "Named sets of overrides."),
    ])

  /// The JSON Schema (draft 2020-12) of grid files.
  package static var schema: JSON {
    var members: [JSON.Member] = [
      .init("$schema", "https://json-schema.org/draft/2020-12/schema"),
      .init("title", "jobctl grid file"),
    ]
    // Keys that an axis may supply are not required of the file itself.
    let required: JSON = ["name"]
    for member in Shape.object(fileShape).schema.members ?? [] {
      members.append(member.key == "required" ? .init("required", required) : member)
    }
    return .object(members)
  }

  package init(parsing text: String) throws(InvalidGrid) {
    let document: JSON
    do { document = try JSON(parsing: text) } catch {
      throw InvalidGrid([Problem("", error.description)])
    }
    try self.init(document: document)
  }

  package init(document: JSON) throws(InvalidGrid) {
    var problems: [Problem] = []
    Shape.object(Grid.fileShape).check(document, at: "", partial: true, into: &problems)
    let axes = Axis.all(in: document, problems: &problems)
    if document["name"] == nil {
      problems.append(Problem("name", "is missing: \(Shape.name.words)"))
    }
    guard problems.isEmpty else {
      throw InvalidGrid(problems + Grid.further(document, than: problems))
    }
    self.document = document
    name = document["name"]?.stringValue ?? ""
    sharesStages = document["share_stages"]?.boolValue ?? true
    runs = try Grid.expand(document, along: axes)
  }

  /// What else is wrong in the sections whose shape is right, so that nothing is left for a second try.
  private static func further(_ document: JSON, than problems: [Problem]) -> [Problem] {
    let broken = Set(problems.map(\.section))
    var found: [Problem] = []
    let spec = RunSpec(document, seed: 1, problems: &found)
    if broken.isDisjoint(with: ["dataset", "epochs", "batch", "optimizer", "schedule"]),
      let facts = spec.training.dataset.builtInFacts
    {
      _ = spec.phases(samples: facts.train, problems: &found)
    }
    // An axis may supply what the document lacks: only what is there is judged.
    return found.filter { !broken.contains($0.section) && document[$0.section] != nil }
  }

  private static func expand(_ document: JSON, along axes: [Axis]) throws(InvalidGrid) -> [Run] {
    let count = axes.reduce(1) {
      $0 * min($1.points.count, runLimit + 1) > runLimit ? runLimit + 1 : $0 * $1.points.count
    }
    guard count <= runLimit else {
      throw InvalidGrid([Problem("", "the axes span more than \(runLimit) runs")])
    }
    let base = JSON.object(
      (document.members ?? []).filter { member in RunSpec.fields.contains { $0.key == member.key } }
    )
    var found = RunProblems()
    var runs: [Run] = []
    var names: Set<String> = []
    let shape = Shape.object(ObjectShape(fields: RunSpec.fields))
    for index in 0..<count {
      var (rest, node, labels, seed) = (index, base, [JSON.Member](), 1)
      var points: [Axis.Point] = []
      for axis in axes.reversed() {
        points.append(axis.points[rest % axis.points.count])
        rest /= axis.points.count
      }
      for point in points.reversed() {
        for (path, value) in point.overrides { node = node.setting(path[...], to: value) }
        labels += point.labels
        seed = point.seed ?? seed
      }
      let name = labels.map { "\($0.key)=\(Axis.text(of: $0.value))" }.joined(separator: ",")
      var problems: [Problem] = []
      if !isValidName(name) {
        problems.append(
          Problem(
            "",
            "the run's name \"\(name)\" is not \(Shape.name.words); use variants for such values"))
      } else if !names.insert(name).inserted {
        problems.append(Problem("", "two runs have the name \"\(name)\""))
      }
      shape.check(node, at: "", into: &problems)
      if problems.isEmpty {
        runs.append(
          Run(name: name, labels: labels, spec: RunSpec(node, seed: seed, problems: &problems)))
      }
      found.add(problems, of: name)
    }
    try found.throwIfAny(of: count)
    return runs
  }
}

/// Problems of runs, told once however many runs have them.
struct RunProblems {
  private var order: [Problem] = []
  private var runs: [Problem: (first: String, count: Int)] = [:]

  mutating func add(_ problems: [Problem], of run: String) {
    for problem in problems {
      if runs[problem] == nil { order.append(problem) }
      runs[problem, default: (run, 0)].count += 1
    }
  }

  func throwIfAny(of total: Int) throws(InvalidGrid) {
    guard !order.isEmpty else { return }
    throw InvalidGrid(
      order.map { problem in
        guard let (first, count) = runs[problem], count < total else { return problem }
        let others = count > 1 ? " and \(count - 1) more" : ""
        return Problem(problem.path, problem.message + " (run \(first)\(others))")
      })
  }
}
