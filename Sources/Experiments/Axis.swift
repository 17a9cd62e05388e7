/// The axes of a grid file, in the order of the file.

struct Axis {
  struct Point {
    var overrides: [(path: [String], value: JSON)]
    var labels: [JSON.Member]
  }

  var points: [Point]

  /// All axes in file order but the seeds.
  static func all(in document: JSON, problems: inout [Problem]) -> [Axis] {
    var axes: [Axis] = []
    let paths = ["grid", "zip"].flatMap { document[$0]?.members?.map(\.key) ?? [] }
    for member in document.members ?? [] {
      switch member.key {
      case "grid":
        for axis in member.value.members ?? [] {
          let label = label(of: axis.key, among: paths)
          let values = checked(axis, under: "grid", problems: &problems)
          axes.append(
            Axis(
              points: values.map {
                Point(overrides: [(axis.key.path, $0)], labels: [.init(label, $0)])
              }))
        }
      case "zip": axes += zipped(member.value, among: paths, problems: &problems)
      case "variants": axes.append(variants(member.value, problems: &problems))
      default: break
      }
    }
    let seeds = seeds(in: document)
    if Set(seeds).count < seeds.count { problems.append(Problem("seeds", "a seed is given twice")) }
    return axes.filter { !$0.points.isEmpty }
  }

  static func seeds(in document: JSON) -> [Int] {
    document["seeds"]?.items?.compactMap(\.intValue) ?? [1]
  }

  private static func zipped(_ node: JSON, among paths: [String], problems: inout [Problem])
    -> [Axis]
  {
    let members = node.members ?? []
    let lists = members.map { checked($0, under: "zip", problems: &problems) }
    guard let count = lists.first?.count else { return [] }
    for (member, list) in zip(members, lists) where list.count != count {
      problems.append(
        Problem(
          join("zip", member.key),
          "has \(list.count) values where \(members[0].key) has \(count); "
            + "lists in lockstep have one length"))
    }
    guard lists.allSatisfy({ $0.count == count }) else { return [] }
    let points = (0..<count).map { index in
      Point(
        overrides: zip(members, lists).map { ($0.key.path, $1[index]) },
        labels: zip(members, lists).map { .init(label(of: $0.key, among: paths), $1[index]) })
    }
    return [Axis(points: points)]
  }

  private static func variants(_ node: JSON, problems: inout [Problem]) -> Axis {
    let points = (node.members ?? []).map { variant in
      let path = join("variants", variant.key)
      if !isValidName(variant.key) { problems.append(Problem(path, "is not \(Shape.name.words)")) }
      for override in variant.value.members ?? [] {
        check(
          override.value, at: override.key, shownAs: join(path, override.key), problems: &problems)
      }
      return Point(
        overrides: (variant.value.members ?? []).map { ($0.key.path, $0.value) },
        labels: [.init("variant", .string(variant.key))])
    }
    return Axis(points: points)
  }

  private static func checked(_ axis: JSON.Member, under key: String, problems: inout [Problem])
    -> [JSON]
  {
    let values = axis.value.items ?? []
    for (index, value) in values.enumerated() {
      check(value, at: axis.key, shownAs: "\(key).\(axis.key)[\(index)]", problems: &problems)
    }
    return values
  }

  private static func check(
    _ value: JSON, at path: String, shownAs shown: String, problems: inout [Problem]
  ) {
    let root = Shape.object(ObjectShape(fields: RunSpec.fields))
    switch root.shape(at: path.path[...]) {
    case .success(let shape): shape.check(value, at: shown, partial: true, into: &problems)
    case .failure(let unknown):
      let allowed = unknown.allowed.isEmpty ? "nothing" : unknown.allowed.joined(separator: ", ")
      let seeds =
        unknown.key == "seed" || unknown.key == "seeds" ? "; seeds have a key of their own" : ""
      problems.append(
        Problem(
          shown,
          "\"\(unknown.key)\" is no key of a run\(hint(unknown.key, among: unknown.allowed))\(seeds); "
            + "allowed here: \(allowed)"))
    }
  }

  /// `optimizer.learning_rate` is called learning_rate and `schedule.name` schedule, as long as no
  /// other axis is called so.
  private static func label(of path: String, among all: [String]) -> String {
    func short(_ path: String) -> String {
      let parts = path.path
      let last = parts.last == "name" && parts.count > 1 ? parts[parts.count - 2] : parts.last
      return last ?? path
    }
    return all.count { short($0) == short(path) } > 1 ? path : short(path)
  }

  /// A value inside a run's name.
  static func text(of value: JSON) -> String {
    switch value {
    case .string(let text): text
    case .array(let items): items.map(text(of:)).joined(separator: "+")
    case .object: value["name"]?.stringValue ?? value.encoded()
    default: value.encoded()
    }
  }
}

extension String {
  fileprivate var path: [String] {
    split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  }
}
