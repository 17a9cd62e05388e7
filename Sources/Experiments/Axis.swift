import Values

/// The axes of a grid file, in the order of the file.

struct Axis {
  struct Point {
    var overrides: [(path: [String], value: JSON)]
    var labels: [JSON.Member]
  }

  var points: [Point]

  /// More axes than the keys of a run would be a mistake.
  private static let mostAxes = 100

  /// All axes in file order but the seeds.
  static func all(
    in document: JSON, of run: Shape, problems: inout [Problem]
  ) -> [Axis] {
    var axes: [Axis] = []
    let count = ["grid", "zip"].reduce(0) { $0 + (document[$1]?.members?.count ?? 0) }
    guard count <= mostAxes else {
      problems.append(Problem("grid", "has \(count) axes; at most \(mostAxes)"))
      return []
    }
    let paths = ["grid", "zip"].flatMap { document[$0]?.members?.map(\.key) ?? [] }
    for member in document.members ?? [] {
      switch member.key {
      case "grid":
        for axis in member.value.members ?? [] {
          let label = label(of: axis.key, among: paths)
          let values = checked(axis, under: "grid", of: run, problems: &problems)
          axes.append(
            Axis(
              points: values.map {
                Point(overrides: [(axis.key.path, $0)], labels: [.init(label, $0)])
              }))
        }
      case "zip": axes += zipped(member.value, among: paths, of: run, problems: &problems)
      case "variants": axes.append(variants(member.value, of: run, problems: &problems))
      default: break
      }
    }
    let seeds = seeds(in: document)
    if Set(seeds).count < seeds.count { problems.append(Problem("seeds", "a seed is given twice")) }
    return axes.filter { !$0.points.isEmpty }
  }

  static func seeds(in document: JSON) -> [Int] {
    if let text = document["seeds"]?.stringValue {
      return SeedRange(text).map { Array($0.seeds) } ?? []
    }
    return document["seeds"]?.items?.compactMap(\.intValue) ?? [1]
  }

  private static func zipped(
    _ node: JSON, among paths: [String], of run: Shape, problems: inout [Problem]
  ) -> [Axis] {
    let members = node.members ?? []
    let lists = members.map { checked($0, under: "zip", of: run, problems: &problems) }
    guard let count = lists.first?.count else { return [] }
    for (member, list) in zip(members, lists) where list.count != count {
      problems.append(
        Problem(
          join("zip", member.key),
          "has \(list.count) values where \(members[0].key) has \(count); "
            + "lists in lockstep have one length"))
    }
    guard lists.allSatisfy({ $0.count == count }) else { return [] }
    refuseRepetitions(
      (0..<count).map { index in .array(lists.map { $0[index] }) }, at: "zip", problems: &problems)
    let points = (0..<count).map { index in
      Point(
        overrides: zip(members, lists).map { ($0.key.path, $1[index]) },
        labels: zip(members, lists).map { .init(label(of: $0.key, among: paths), $1[index]) })
    }
    return [Axis(points: points)]
  }

  private static func variants(_ node: JSON, of run: Shape, problems: inout [Problem]) -> Axis {
    let points = (node.members ?? []).map { variant in
      let path = join("variants", variant.key)
      if !isValidName(variant.key) { problems.append(Problem(path, "is not \(Shape.name.words)")) }
      for override in variant.value.members ?? [] {
        check(
          override.value, at: override.key, of: run, shownAs: join(path, override.key),
          problems: &problems)
      }
      return Point(
        overrides: (variant.value.members ?? []).map { ($0.key.path, $0.value) },
        labels: [.init("variant", .string(variant.key))])
    }
    return Axis(points: points)
  }

  private static func checked(
    _ axis: JSON.Member, under key: String, of run: Shape, problems: inout [Problem]
  ) -> [JSON] {
    let values = axis.value.items ?? []
    for (index, value) in values.enumerated() {
      check(
        value, at: axis.key, of: run, shownAs: "\(key).\(axis.key)[\(index)]", problems: &problems)
    }
    if let long = values.firstIndex(where: { text(of: $0).utf8.count > longestRunName }) {
      problems.append(
        Problem(
          "\(key).\(axis.key)[\(long)]",
          "is too long for a run's name, which has \(longestRunName) bytes: name it by variants"))
    }
    if key == "grid" { refuseRepetitions(values, at: join(key, axis.key), problems: &problems) }
    return values
  }

  /// A value that stands twice, however it is spelled, would make two settings of one.
  private static func refuseRepetitions(
    _ values: [JSON], at path: String, problems: inout [Problem]
  ) {
    var seen: [JSON: Int] = [:]
    for (index, value) in values.enumerated() {
      let canonical = value.canonical
      if let first = seen[canonical] {
        problems.append(
          Problem(
            "\(path)[\(index)]",
            "\(shortened(value.encoded(), to: 60)) is the same as number \(first) of the list, counted from 0"
          ))
      } else {
        seen[canonical] = index
      }
    }
  }

  private static func check(
    _ value: JSON, at path: String, of run: Shape, shownAs shown: String,
    problems: inout [Problem]
  ) {
    switch run.shape(at: path.path[...]) {
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

  /// The learning rate of a run; reports ask for it by this label.
  private static let learningRate = "optimizer.learning_rate"

  /// `optimizer.learning_rate` is called learning_rate, and no other axis is. `schedule.name` is called
  /// schedule, as long as no other axis is called so, nor the run's seed or variant.
  private static func label(of path: String, among all: [String]) -> String {
    func short(_ path: String) -> String {
      let parts = path.path
      let last = parts.last == "name" && parts.count > 1 ? parts[parts.count - 2] : parts.last
      return last ?? path
    }
    if short(path) == short(learningRate) { return path == learningRate ? short(path) : path }
    let isTaken =
      ["seed", "variant"].contains(short(path)) || all.count { short($0) == short(path) } > 1
    return isTaken ? path : short(path)
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

/// Seeds written as a range: "1-10", both ends included.
struct SeedRange {
  let seeds: ClosedRange<Int>

  /// The largest whole number up to which every one is a double: JSON's readers keep it.
  static let largest = 1 << 53

  init?(_ text: String) {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2,
      ends.allSatisfy({ $0.allSatisfy(\.isASCII) && $0.allSatisfy(\.isNumber) }),
      let low = Int(ends[0]), let high = Int(ends[1]), low <= high, high <= SeedRange.largest,
      high - low < Grid.runLimit
    else { return nil }
    seeds = low...high
  }
}

extension String {
  fileprivate var path: [String] {
    split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  }
}
