import Checkpoints
import Foundation
import Training
import Values

/// One case: what is read, and as what.
struct Input {
  enum Kind: String, CaseIterable {
    case grid = "json"
    case table = "csv"
    case idx
    case cifar = "bin"
    case picture
    case archive = "npz"
    case array = "npy"
    case model
    case checkpoint = "zst"
    case safetensors
  }

  var kind: Kind
  var bytes: [UInt8]
}

/// Sound inputs, from which cases are made.
struct Corpus {
  private let grids: [JSON]
  private let tables: [String]
  private let idx: [UInt8]
  private let cifar: [UInt8]
  private let checkpoint: Checkpoint
  private let model: Checkpoint

  init(examples folder: String) throws {
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
      .filter { $0.hasSuffix(".json") }
    grids =
      try files.map { file in
        try JSON(parsing: String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8))
      } + Corpus.smallGrids
    tables = Corpus.tables
    idx = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4] + (0..<24).map { UInt8($0) }
    cifar = (0..<2).flatMap { [UInt8($0)] + [UInt8](repeating: 7, count: 3072) }
    checkpoint = try Reader.soundCheckpoint()
    model = try Model.export(
      checkpoint, of: .init(grid: "fuzz", run: "fuzz", epoch: 1, isFinished: true),
      keepsOptimizer: false)
  }

  /// Case `number` of a seed: always the same.
  func input(seed: Int, number: Int) -> Input {
    var random = Randomness(seed: seed, number: number)
    switch random.below(16) {
    case 0...4: return Input(kind: .grid, bytes: grid(&random))
    case 5, 10: return Input(kind: .table, bytes: table(&random))
    case 11, 12:
      let times = 1 + random.below(6)
      return Input(
        kind: .picture, bytes: random.mutated(random.pick(SoundFiles.pictures), times: times))
    case 13:
      let times = 1 + random.below(4)
      return Input(kind: .archive, bytes: random.mutated(SoundFiles.archive, times: times))
    case 14:
      let times = 1 + random.below(4)
      return Input(kind: .array, bytes: random.mutated(SoundFiles.array, times: times))
    case 15: return model(&random)
    case 6:
      let times = 1 + random.below(4)
      return Input(kind: .idx, bytes: random.mutated(idx, times: times))
    case 7:
      let times = 1 + random.below(4)
      return Input(kind: .cifar, bytes: random.mutated(cifar, times: times))
    default: return checkpoint(&random)
    }
  }

  private func grid(_ random: inout Randomness) -> [UInt8] {
    var document = random.pick(grids)
    for _ in 0...(random.once(in: 2) ? 0 : random.below(4)) { document = random.mutated(document) }
    let text = Array((random.once(in: 4) ? document.pretty() : document.encoded()).utf8)
    return random.once(in: 8) ? random.mutated(text, times: 1 + random.below(3)) : text
  }

  private func table(_ random: inout Randomness) -> [UInt8] {
    var cells = random.pick(tables).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    for _ in 0...random.below(4) {
      let (row, column) = (random.below(cells.count), random.below(3))
      guard cells[row].indices.contains(column) else { continue }
      switch random.below(4) {
      case 0: cells[row][column] = random.number()
      case 1:
        for row in cells.indices.dropFirst() where cells[row].indices.contains(column) {
          cells[row][column] = random.number()
        }
      case 2:
        cells[row][column] = random.pick(["", "nan", "inf", "\"", "\"a\nb\"", "é", "0x10", "-0"])
      default: cells.remove(at: row)
      }
      if cells.isEmpty { return [] }
    }
    let text = Array(cells.map { $0.joined(separator: ",") }.joined(separator: "\n").utf8)
    return random.once(in: 2) ? random.mutated(text, times: 1 + random.below(4)) : text
  }

  private func model(_ random: inout Randomness) -> Input {
    var changed = model
    if random.once(in: 2) {
      let key = random.pick(changed.metadata.keys.sorted())
      let node = changed.metadata[key].flatMap { try? JSON(parsing: $0) }
      changed.metadata[key] = random.mutated(node ?? .null).encoded()
    }
    let bytes = changed.safetensors
    let times = 1 + random.below(3)
    return Input(
      kind: .model, bytes: random.once(in: 2) ? random.mutated(bytes, times: times) : bytes)
  }

  private func checkpoint(_ random: inout Randomness) -> Input {
    var changed = checkpoint
    for _ in 0...random.below(3) {
      if random.once(in: 2) {
        let key = random.pick(changed.metadata.keys.sorted() + ["ghosts", "samples", "updates"])
        changed.metadata[key] = random.once(in: 3) ? nil : random.number()
      } else {
        let place = random.below(changed.arrays.count)
        let array = changed.arrays[place]
        let values = array.doubles ?? []
        let extremes: [Double] = [.nan, .infinity, -1, 0, 1e300, 9.2e18, 9.3e18, 0.5, -0.0]
        changed.arrays[place] =
          values.isEmpty
          ? .init(array.name, doubles: [random.pick(extremes)])
          : .init(
            array.name, doubles: values.map { random.once(in: 2) ? random.pick(extremes) : $0 })
      }
    }
    let plain = changed.safetensors
    if random.once(in: 2) {
      return Input(
        kind: .safetensors,
        bytes: random.once(in: 2) ? random.mutated(plain, times: 1 + random.below(4)) : plain)
    }
    let packed = Compression.compressed(plain)
    let times = 1 + random.below(4)
    return Input(kind: .checkpoint, bytes: random.mutated(packed, times: times))
  }

  // MARK: - Small sound inputs

  private static let tables = [
    "# made up\nx;colour;y;label\n"
      + (0..<40).map { "\($0 % 7),5;\(["red", "blue", "NA"][$0 % 3]);\"\($0 % 5)\";\($0 % 2)" }
      .joined(separator: "\r\n"),
    "a,b,label\n" + (0..<40).map { "\($0),\(Double($0) * 0.5),\($0 % 3)" }.joined(separator: "\n"),
    "x,class,y\n"
      + (0..<12).map { "1e\($0),\($0 % 2 == 0 ? "yes" : "no"),14.62" }
      .joined(separator: "\n"),
    "\"a, b\",c\n\"1\",2\n\n3,4\n5,2\n",
  ]

  private static let smallGrids: [JSON] = [
    [
      "name": "small",
      "dataset": ["name": "synthetic", "train": 512, "test": 128, "noise": 1, "seed": 0],
      "network": ["name": "mlp", "hidden": [16]], "epochs": 8,
      "optimizer": [
        "name": "momentum", "learning_rate": .number("0.05"), "momentum": .number("0.9"),
      ],
      "batch": ["size": 16, "ghost": 16, "maximum": "N/4"],
      "schedule": [
        "name": "increase",
        "curve": ["shape": "cosine", "end": .number("0.001"), "factor": 2],
        "warm_up": ["epochs": 1, "from": .number("0.01")],
      ],
      "gradient_probe": ["every": 10, "ghost_batches": 4], "seeds": [1, 2],
      "grid": ["optimizer.learning_rate": [.number("0.1"), .number("0.2")]],
      "zip": ["dataset.train": [256, 512], "batch.size": [16, 32]],
      "variants": [
        "one": ["epochs": 2], "two": ["epochs": 3, "optimizer.weight_decay": .number("1e-4")],
      ],
    ]
  ]
}
