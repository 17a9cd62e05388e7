import Values

/// A program of the user's own that trains in place of jobctl's engine (docs/TRAINERS.md), as grid files
/// describe it and as the queue stores it.

package struct TrainerSpec: Hashable, Sendable {
  /// Of the contract between worker and program. It is in every digest, and matched at claim.
  package static let contractVersion = 1

  /// The program and its arguments. `{seed}` and the other placeholders stand for values of the stage.
  package var command: [String]
  /// The folder that `submit` packs, as the grid file names it; nil of what the queue has stored.
  package var folder: String?
  /// Content digest of the packed folder; nil where there is none, or it has not been packed yet.
  package var code: String?
  /// A file that pins what else is installed, as the grid file names it: its digest stands for it.
  package var lockFile: String?
  package var lock: String?
  package var parameters: JSON
  /// Training samples of an epoch (N).
  package var samplesPerEpoch: Int
  /// Files and folders in the data folders; of the kind `files`.
  package var dataset: DatasetSpec
  package var datasetDigest: String?
  package var optimizer: OptimizerSpec
  package var ghost: Int
  /// In no digest: how the program runs says nothing of what it computes.
  package var resources: Resources

  package struct Resources: Hashable, Sendable {
    /// Cores that the program may use.
    package var cores: Int
    package var memoryBytes: Int
    /// Seconds of silence after which the program counts as crashed.
    package var stallAfter: Int
    /// Seconds from the request to drain until the program is killed.
    package var grace: Int

    package var json: JSON {
      [
        "cpu": .integer(cores), "memory_bytes": .integer(memoryBytes),
        "stall_after": .integer(stallAfter), "grace": .integer(grace),
      ]
    }
  }

  package var files: TrainerFiles { TrainerFiles(folder: folder, lockFile: lockFile) }

  /// As stored in the queue and read by workers.
  package var json: JSON { json(with: resources) }

  /// What digests are taken of.
  package var content: JSON { json(with: nil) }

  private func json(with resources: Resources?) -> JSON {
    var trainer: [JSON.Member] = [
      .init("contract", .integer(TrainerSpec.contractVersion)),
      .init("command", .array(command.map(JSON.string))),
      .init("code", code.map(JSON.string) ?? .null), .init("lock", lock.map(JSON.string) ?? .null),
      .init("parameters", parameters), .init("samples_per_epoch", .integer(samplesPerEpoch)),
    ]
    if let resources { trainer.append(.init("resources", resources.json)) }
    return [
      "trainer": .object(trainer), "dataset": dataset.json,
      "dataset_digest": datasetDigest.map(JSON.string) ?? .null, "optimizer": optimizer.json,
      "ghost": .integer(ghost),
    ]
  }
}

/// Files of a trainer, as a grid file names them.
package struct TrainerFiles: Hashable, Sendable {
  /// The folder that is packed.
  package let folder: String?
  /// The lock file, inside of the folder where there is one.
  package let lockFile: String?

  package init(folder: String?, lockFile: String?) {
    (self.folder, self.lockFile) = (folder, lockFile)
  }
}

/// What stands for the files of a trainer in a stage's digest.
package struct TrainerDigests: Sendable {
  package let code: String?
  package let lock: String?

  package init(code: String?, lock: String?) { (self.code, self.lock) = (code, lock) }
}

// MARK: - In grid files

extension TrainerSpec {
  private static let count = Shape.integer(1...(1 << 40))

  static let shape = Shape.object(
    ObjectShape(fields: [
      .init(
        "command", .list(.text, count: 1...64), required: true,
        "The program and its arguments, with {seed} and other placeholders."),
      .init("code", .text, "The folder that is packed at submission; the program starts in it."),
      .init("parameters", .map(.anything, keys: "parameters"), "Given to the program as they are."),
      .init("samples_per_epoch", count, required: true, "Training samples of an epoch (N)."),
      .init(
        "data", .list(.text, count: 0...64), "Files and folders in the data folders, by content."),
      .init(
        "resources",
        .object(
          ObjectShape(fields: [
            cores.field,
            .init(
              "memory",
              .word(
                allowed: "bytes such as \"8GiB\"", pattern: "^[1-9][0-9]{0,5}(MiB|GiB)$",
                near: ["8GiB"], accepts: { bytes($0) != nil }), "Memory; \"1GiB\" by default."),
          ])), "What a worker must have free."),
      .init(
        "environment",
        .object(
          ObjectShape(fields: [
            .init("lock", .text, "A file, in the code's folder, that pins what is installed.")
          ])), "What the program needs to be installed."),
      stallAfter.field, grace.field,
    ]))

  private static let cores = DocumentField.integer("cpu", 1...1024, default: 1, "Cores")
  private static let stallAfter = DocumentField.integer(
    "stall_after", 1...(1 << 24), default: 600,
    "Seconds of silence after which the program counts as crashed")
  private static let grace = DocumentField.integer(
    "grace", 1...86_400, default: 30, "Seconds that the program has to end when it is asked to")

  private static func bytes(_ text: String) -> Int? {
    guard let count = Int(text.dropLast(3)), count > 0, count < 1_000_000 else { return nil }
    return text.hasSuffix("GiB") ? count << 30 : text.hasSuffix("MiB") ? count << 20 : nil
  }

  /// Larger documents are not stored: parameters are settings, not data.
  private static let mostBytes = 1 << 15

  /// Nil where a member is missing; the shape has said so.
  init?(
    _ node: JSON, optimizer: OptimizerSpec, ghost: Int, files: DatasetVocabulary,
    problems: inout [Problem]
  ) {
    guard let command = node["command"]?.items?.compactMap(\.stringValue),
      let samples = node["samples_per_epoch"]?.intValue
    else { return nil }
    self.command = command
    folder = node["code"]?.stringValue
    lockFile = node["environment"]?["lock"]?.stringValue
    parameters = node["parameters"] ?? [:]
    samplesPerEpoch = samples
    let paths = node["data"] ?? []
    guard
      let dataset = files.read(
        ["name": "files", "paths": paths], at: "trainer.data", problems: &problems)
    else { return nil }
    self.dataset = dataset
    self.optimizer = optimizer
    self.ghost = ghost
    resources = Resources(
      cores: TrainerSpec.cores.value(in: node["resources"] ?? [:]),
      memoryBytes: node["resources"]?["memory"]?.stringValue.flatMap(TrainerSpec.bytes) ?? 1 << 30,
      stallAfter: TrainerSpec.stallAfter.value(in: node), grace: TrainerSpec.grace.value(in: node))
    if let lockFile, !DatasetSpec.staysInside(lockFile) {
      problems.append(
        Problem(
          "trainer.environment.lock",
          "found \"\(shortened(lockFile, to: 100))\"; allowed: a path inside the code's folder"))
    }
    if let flaw = flaw(of: parameters) {
      problems.append(Problem("trainer.parameters", flaw))
    }
    for (index, word) in command.enumerated() {
      do throws(Placeholder.Unknown) { _ = try Placeholder.names(in: word, parameters) } catch {
        problems.append(Problem("trainer.command[\(index)]", error.description))
      }
    }
    if json.encoded().utf8.count > TrainerSpec.mostBytes {
      problems.append(
        Problem(
          "trainer",
          "has more than \(TrainerSpec.mostBytes) bytes; long parameters go into a file of the code"
        ))
    }
  }

  /// Why values cannot be parameters: PostgreSQL holds no NUL, and DEL stands for the seed.
  private func flaw(of value: JSON, depth: Int = 0) -> String? {
    guard depth < 8 else { return "is nested more than 8 levels deep" }
    switch value {
    case .string(let text):
      return text.utf8.contains { $0 == 0 || $0 == 0x7F }
        ? "has text with a character NUL or DEL" : nil
    case .number(let text):
      return text.utf8.count > 40 || value.doubleValue?.isFinite != true
        ? "has the number \(shortened(text, to: 50)), which no double can hold" : nil
    case .array(let items): return items.lazy.compactMap { flaw(of: $0, depth: depth + 1) }.first
    case .object(let members):
      return members.lazy.compactMap {
        flaw(of: .string($0.key), depth: depth) ?? flaw(of: $0.value, depth: depth + 1)
      }.first
    case .bool, .null: return nil
    }
  }
}

// MARK: - In the queue

extension TrainerSpec {
  /// Reads what the queue has stored. A submitter may have sent it without the planner: all is checked.
  package init(_ document: JSON, _ files: DatasetVocabulary) throws(InvalidDocument) {
    var problems: [Problem] = []
    let node = document["trainer"] ?? .null
    TrainerSpec.storedShape.check(node, at: "trainer", into: &problems)
    files.shape.check(document["dataset"] ?? .null, at: "dataset", into: &problems)
    OptimizerSpec.constantsShape.check(
      document["optimizer"] ?? .null, at: "optimizer", into: &problems)
    BatchSpec.ghost.shape.check(document["ghost"] ?? .null, at: "ghost", into: &problems)
    for key in ["code", "lock"] {
      guard let digest = node[key], !digest.isNull else { continue }
      if Digest.bytes(hexadecimal: (digest.stringValue ?? "").utf8)?.count != 32 {
        problems.append(Problem("trainer.\(key)", "is no digest"))
      }
    }
    guard problems.isEmpty else { throw InvalidDocument(problems) }
    guard
      let dataset = files.read(document["dataset"] ?? .null, at: "dataset", problems: &problems),
      let optimizer = OptimizerSpec(
        document["optimizer"] ?? .null, at: "optimizer", problems: &problems),
      let ghost = document["ghost"]?.intValue, problems.isEmpty
    else { throw InvalidDocument(problems) }
    command = node["command"]?.items?.compactMap(\.stringValue) ?? []
    code = node["code"]?.stringValue
    lock = node["lock"]?.stringValue
    parameters = node["parameters"] ?? [:]
    samplesPerEpoch = node["samples_per_epoch"]?.intValue ?? 1
    self.dataset = dataset
    datasetDigest = document["dataset_digest"]?.stringValue
    self.optimizer = optimizer
    self.ghost = ghost
    let resources = node["resources"] ?? [:]
    self.resources = Resources(
      cores: resources["cpu"]?.intValue ?? 1, memoryBytes: resources["memory_bytes"]?.intValue ?? 0,
      stallAfter: TrainerSpec.stallAfter.value(in: resources),
      grace: TrainerSpec.grace.value(in: resources))
  }

  private static let storedShape = Shape.object(
    ObjectShape(fields: [
      .init(
        "contract", .integer(contractVersion...contractVersion), required: true, "Its version."),
      .init("command", .list(.text, count: 1...64), required: true, "The program."),
      .init("code", .anything, required: true, "Its digest, or null."),
      .init("lock", .anything, required: true, "Its digest, or null."),
      .init("parameters", .map(.anything, keys: "parameters"), required: true, "As they are."),
      .init("samples_per_epoch", count, required: true, "N."),
      .init(
        "resources",
        .object(
          ObjectShape(fields: [
            cores.field, .init("memory_bytes", .integer(1...(1 << 50)), required: true, "Bytes."),
            stallAfter.field, grace.field,
          ])), required: true, "How it runs."),
    ]))
}

/// Placeholders in a command: `{seed}`, `{parameters.dropout}`. `{{` and `}}` stand for braces.
package enum Placeholder {
  /// Values of a stage that a command may name.
  package static let names = [
    "seed", "learning_rate", "learning_rate_end", "momentum", "batch", "ghost", "samples",
    "updates", "epochs", "output",
  ]

  package struct Unknown: Error, CustomStringConvertible {
    let name: String
    let allowed: [String]

    package var description: String {
      "{\(shortened(name, to: 60))} names nothing\(hint(name, among: allowed)); allowed: "
        + shortened(allowed.joined(separator: ", "), to: 500) + "; {{ and }} are written for braces"
    }
  }

  /// The names that a word of a command holds.
  package static func names(in word: String, _ parameters: JSON) throws(Unknown) -> [String] {
    var found: [String] = []
    _ = try filled(word, parameters) { name in
      found.append(name)
      return ""
    }
    return found
  }

  /// The word with a value in place of each name.
  package static func filled(
    _ word: String, _ parameters: JSON, _ value: (String) -> String
  ) throws(Unknown) -> String {
    let own = (parameters.members ?? []).map { "parameters.\($0.key)" }
    var result = ""
    var rest = Substring(word)
    while let brace = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
      result += rest[..<brace]
      let doubled = String(repeating: rest[brace], count: 2)
      if rest[brace...].hasPrefix(doubled) {
        result.append(rest[brace])
        rest = rest[brace...].dropFirst(2)
        continue
      }
      let after = rest[rest.index(after: brace)...]
      guard rest[brace] == "{", let end = after.firstIndex(of: "}"), isName(after[..<end]) else {
        result.append(rest[brace])
        rest = after
        continue
      }
      let name = String(after[..<end])
      guard names.contains(name) || own.contains(name) else {
        throw Unknown(name: name, allowed: names + own)
      }
      result += value(name)
      rest = after[end...].dropFirst()
    }
    return result + rest
  }

  private static func isName(_ text: Substring) -> Bool {
    !text.isEmpty
      && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._".contains($0)) }
  }
}
