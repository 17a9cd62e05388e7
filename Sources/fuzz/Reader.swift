import Checkpoints
import Datasets
import Experiments
import Foundation
import Training
import Values

/// Reads an input as the program would, and says whether the answer is one that it may give.
final class Reader {
  enum Verdict {
    case accepted
    case refused
    case unsound(String)

    var words: String {
      switch self {
      case .accepted: "accepted"
      case .refused: "refused"
      case .unsound(let reason): reason
      }
    }
  }

  /// No message is longer.
  private static let mostBytes = 4096

  private let folder: String
  private let work: StageWork
  private let dataset: Dataset

  init() throws {
    folder = NSTemporaryDirectory() + "fuzz-reader-\(getpid())"
    try FileManager.default.createDirectory(
      atPath: folder + "/cifar-10-batches-bin", withIntermediateDirectories: true)
    (work, dataset) = try Reader.smallStage()
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func read(_ input: Input) -> Verdict {
    do {
      switch input.kind {
      case .grid: return try plan(input.bytes)
      case .table: try table(input.bytes)
      case .idx: _ = try IDX.parse(input.bytes, dimensions: 3, "input")
      case .cifar: try cifar(input.bytes)
      case .picture: try picture(input.bytes)
      case .archive: try array(input.bytes, "input.npz")
      case .array: try array(input.bytes, "vectors/x_train.npy")
      case .model: try model(input.bytes)
      case .checkpoint: try resume(input.bytes)
      case .safetensors: try resume(Compression.compressed(input.bytes))
      }
      return .accepted
    } catch let error as Unsound {
      return .unsound(error.description)
    } catch {
      let message = "\(error)"
      return message.utf8.count > Reader.mostBytes
        ? .unsound("a message of \(message.utf8.count) bytes") : .refused
    }
  }

  // MARK: - Grids

  private func plan(_ bytes: [UInt8]) throws -> Verdict {
    guard let text = String(validating: bytes, as: UTF8.self) else { return .refused }
    let folders = DataFolders(roots: [])
    let plan = try Plan(Grid(parsing: text)) { spec throws(InvalidDocument) in
      try spec.facts(from: folders)
    }
    _ = plan.totals
    // `plan` prints these of each setting.
    for planned in plan.settings {
      _ = planned.cost(threads: 1)
      let stages = plan.stages(of: planned)
      guard stages.reduce(0, { $0 + $1.updates }) > 0 else {
        return .unsound("a run without updates")
      }
      for stage in stages {
        if let problem = stage.law.problem(for: planned.setting.spec.training.optimizer.name) {
          return .unsound("a stage whose law workers refuse: \(problem)")
        }
        let step = max(1, stage.updates / 16)
        for update in stride(from: 0, to: stage.updates, by: step) {
          let rate = stage.law.rate.value(at: stage.start + update * stage.law.batch)
          guard rate.isFinite, rate >= 0, stage.rateAtEnd.isFinite else {
            return .unsound("a stage with the rate \(rate) at update \(update)")
          }
        }
      }
    }
    return .accepted
  }

  // MARK: - Data

  /// Ways to describe a table; the input's length says which one is tried beside the plain one.
  private static let options: [[(String, JSON)]] = [
    [("header", false), ("missing", "drop")],
    [("separator", ";"), ("decimal", ","), ("comment", "#"), ("missing", "mean")],
    [("separator", ";"), ("categorical", ["*"]), ("missing", "drop"), ("comment", "#")],
    [("columns", ["-b*"]), ("missing", "mean"), ("categorical", ["?"])],
    [("test_path", "input.csv")],
  ]

  private func table(_ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: folder + "/input.csv"))
    var node: JSON = ["name": "csv", "path": "input.csv"]
    // One of them refuses more inputs than both.
    let plain = Result { try load(node) }
    for (key, value) in Reader.options[bytes.count % Reader.options.count] {
      node = node.setting([key], to: value)
    }
    try load(node)
    try plain.get()
  }

  /// Loads data; what is accepted is finite.
  private func load(_ node: JSON) throws {
    let loaded = try Dataset.load(Reader.spec(node), from: DataFolders(roots: [folder]))
    for samples in [loaded.train, loaded.test] {
      if case .floats(let values) = samples.storage, !values.allSatisfy(\.isFinite) {
        throw Unsound(description: "a feature is not finite")
      }
      guard samples.labels.allSatisfy({ $0 >= 0 && $0 < loaded.facts.classes }) else {
        throw Unsound(description: "a label is no class")
      }
    }
  }

  private func picture(_ bytes: [UInt8]) throws {
    let size = try PictureFile.size(of: bytes)
    let whole = PictureFile.Box(x: 0, y: 0, width: size.width, height: size.height)
    var pixels = [UInt8](repeating: 0, count: 3 * 16 * 16)
    for box in [whole, .init(middle: 0.875, of: size)] {
      try PictureFile.write(&pixels, width: 16, height: 16, box: box, mirrored: true, of: bytes)
    }
    try PictureFile.verify(bytes)
  }

  private func array(_ bytes: [UInt8], _ name: String) throws {
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (12,), }"
    let labels =
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
      + (0..<12).map { UInt8($0 % 3) }
    try FileManager.default.createDirectory(
      atPath: folder + "/vectors", withIntermediateDirectories: true)
    try Data(labels).write(to: URL(filePath: folder + "/vectors/y_train.npy"))
    try Data(bytes).write(to: URL(filePath: "\(folder)/\(name)"))
    try load(["name": "arrays", "path": .string(name.hasSuffix("z") ? name : "vectors")])
  }

  private func model(_ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: folder + "/model"))
    let model = try Model(Checkpoint(exported: folder + "/model"))
    let found = model.probabilities(of: [[Float](repeating: 0.5, count: model.inputs.size)])
    guard found.count == 1, found[0].count == model.inputs.classes.count else {
      throw Unsound(description: "an input has no probabilities")
    }
  }

  private func cifar(_ bytes: [UInt8]) throws {
    for name in (1...5).map({ "data_batch_\($0).bin" }) + ["test_batch.bin"] {
      try Data(bytes).write(to: URL(filePath: "\(folder)/cifar-10-batches-bin/\(name)"))
    }
    _ = try Dataset.load(try Reader.spec("cifar-10"), from: DataFolders(roots: [folder]))
  }

  private static func spec(_ node: JSON) throws -> DatasetSpec {
    try DatasetSpec(checking: node)
  }

  struct Unsound: Error, CustomStringConvertible { let description: String }

  // MARK: - Checkpoints

  /// As a worker goes on from it: it trains an update, or says why it cannot.
  private func resume(_ bytes: [UInt8]) throws {
    let store = try FolderStore(
      path: folder + "/store", of: .init(queue: "fuzz"), for: .training)
    try Data(bytes).write(to: URL(filePath: store.path + "/input"))
    let checkpoint = try store.read("input", digest: nil, limit: 1 << 22)
    var polls = 0
    let trainer = try StageTrainer(
      work, dataset: dataset, from: checkpoint, threads: 1,
      hooks: .init(directive: {
        polls += 1
        return polls > 2 ? .abandon : .proceed(threads: 1)
      }))
    _ = trainer.run()
  }

  /// A stage of updates of two ghost batches.
  private static func smallStage() throws -> (StageWork, Dataset) {
    let document: JSON = [
      "name": "checkpoint", "network": ["name": "mlp", "hidden": [4]], "epochs": 2,
      "dataset": ["name": "synthetic", "train": 64, "test": 16, "height": 2, "width": 2],
      "optimizer": ["name": "momentum", "learning_rate": .number("0.1")],
      "batch": ["size": 16, "ghost": 8], "schedule": "constant",
    ]
    let plan = try Plan(Grid(document: document)) { spec throws(InvalidDocument) in
      try spec.facts(from: DataFolders(roots: []))
    }
    guard let planned = plan.stages.first, let spec = planned.spec.native else {
      throw Unsound(description: "no stage")
    }
    let stage = planned.stage
    let work = StageWork(
      digest: planned.digest(seed: 1) ?? "", spec: spec, seed: 1, law: stage.law,
      start: stage.start, end: stage.end, startUpdates: stage.startUpdates)
    return (work, try Dataset.load(spec.dataset, from: DataFolders(roots: [])))
  }

  /// A checkpoint of that stage, inside an update.
  static func soundCheckpoint() throws -> Checkpoint {
    let (work, dataset) = try smallStage()
    var polls = 0
    let trainer = try StageTrainer(
      work, dataset: dataset, from: nil, threads: 1,
      hooks: .init(directive: {
        polls += 1
        return polls > 5 ? .drain : .proceed(threads: 1)
      }))
    guard case .drained(let end) = trainer.run() else { throw Unsound(description: "not drained") }
    return end.content.sealed().checkpoint
  }
}
