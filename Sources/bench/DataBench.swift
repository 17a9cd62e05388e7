import ArgumentParser
import Datasets
import Experiments
import Foundation
import Tensors
import Training
import Values

/// What data cost: pictures decoded a second, training from files beside the same training from memory, and
/// tables read a second.
struct DataBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Times the decoding of pictures, training from them, and tables.",
    discussion: """
      FOLDER is an image folder (train/<class>/*). Pictures are cropped and resized as for training. Of \
      training, each round is one measurement from files and one from memory, in turn; the median of the \
      rounds' ratios is what counts.
      """)

  @Argument(help: "A folder of pictures.") var folder: String
  @Option(help: "What is timed: decode or train.") var what = "decode"
  @Option(help: "Pixels of a side of the network's input.") var size = 224
  @Option(help: "Seconds of a measurement.") var seconds = 5.0
  @Option(help: "Rounds of training.") var rounds = 5
  @Option(help: "Threads of training, those that decode among them.") var threads = 1
  @Option(help: "The network that is trained.") var network = "resnet-50"
  @Option(help: "Pictures of a ghost batch.") var batch = 32
  @Flag(help: "One JSON line instead of text.") var json = false

  func validate() throws {
    guard ["decode", "train"].contains(what), seconds > 0, rounds > 0, threads > 0, batch > 0 else {
      throw ValidationError("--what is decode or train; numbers are above 0")
    }
  }

  func run() throws { what == "decode" ? try decode() : try train() }

  // MARK: - Decoding

  private func decode() throws {
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder + "/train").sorted()
      .map { "\(folder)/train/\($0)" }.filter { file in
        [".jpg", ".jpeg", ".png"].contains { file.lowercased().hasSuffix($0) }
      }
    guard !files.isEmpty else { throw ValidationError("\(folder)/train has no pictures") }
    var sizes: [PictureFile.Size] = []
    var bytes = 0
    for file in files {
      let content = [UInt8](try Data(contentsOf: URL(filePath: file)))
      bytes += content.count
      sizes.append(try PictureFile.size(of: content))
    }
    let scaled = try speed(files, sizes, mostScale: PictureFile.mostScale)
    let cropped = try speed(files, sizes, mostScale: 1)
    let result: JSON = [
      "pictures_per_second": .real(scaled), "without_scaling": .real(cropped),
      "bytes_per_picture": .integer(bytes / files.count), "size": .integer(size),
    ]
    print(
      json
        ? result.encoded()
        : "\(Int(scaled)) pictures/s to \(size) pixels by random resized crop on one thread, "
          + "\(Int(cropped)) without scaled decoding; \(bytes / files.count) bytes a picture")
  }

  /// Random resized crops of the files, one after the other, from files that the system has in memory.
  private func speed(
    _ files: [String], _ sizes: [PictureFile.Size], mostScale: Int32
  ) throws -> Double {
    let crop = ResizedCrop(["flip": true])
    let random = Philox(seed: 1, purpose: .augmentation)
    var out = [UInt8](repeating: 0, count: 3 * size * size)
    var (count, epoch) = (0, 0)
    let start = ContinuousClock.now
    while ContinuousClock.now - start < .seconds(seconds) {
      for (sample, file) in files.enumerated() {
        let draw = crop.draw(sample, epoch: epoch, sizes[sample], random)
        let content = [UInt8](try Data(contentsOf: URL(filePath: file)))
        try PictureFile.write(
          &out, width: size, height: size, box: draw.box, mirrored: draw.isMirrored, of: content,
          mostScale: mostScale)
        count += 1
      }
      epoch += 1
    }
    return Double(count) / ((ContinuousClock.now - start) / .seconds(1))
  }

  // MARK: - Training

  private func train() throws {
    let place = URL(filePath: folder)
    let files = try stage(
      [
        "name": "image-folder", "path": .string(place.lastPathComponent), "size": .integer(size),
        "augment": ["flip": true],
      ], DataFolders(roots: [place.deletingLastPathComponent().path]))
    let facts = files.dataset.facts
    let memory = try stage(
      [
        "name": "synthetic", "train": .integer(min(facts.train, 512)), "test": 16,
        "height": .integer(size), "width": .integer(size), "channels": 3,
        "classes": .integer(facts.classes),
      ], DataFolders(roots: []))
    var ratios: [Double] = []
    var speeds: [Double] = []
    for round in 0..<rounds {
      // Whichever is second may find a warmer machine.
      let first = round.isMultiple(of: 2) ? (files, memory) : (memory, files)
      let (a, b) = (try samplesPerSecond(first.0), try samplesPerSecond(first.1))
      let (ours, other) = round.isMultiple(of: 2) ? (a, b) : (b, a)
      ratios.append(ours / other)
      speeds.append(ours)
    }
    let (ratio, speed) = (ratios.sorted()[rounds / 2], speeds.sorted()[rounds / 2])
    let result: JSON = [
      "network": .string(network), "size": .integer(size), "batch": .integer(batch),
      "threads": .integer(threads), "samples_per_second": .real(speed), "ratio": .real(ratio),
    ]
    print(
      json
        ? result.encoded()
        : "\(network), \(size) pixels, batch \(batch), \(threads) threads: "
          + "\((speed * 10).rounded() / 10) samples/s from files, "
          + "\((ratio * 1000).rounded() / 1000) of the speed from memory (median of \(rounds))")
  }

  private func stage(
    _ dataset: JSON, _ folders: DataFolders
  ) throws -> (work: StageWork, dataset: Dataset) {
    let document: JSON = [
      "name": "bench", "dataset": dataset, "network": .string(network), "epochs": 1000,
      "optimizer": ["name": "momentum", "learning_rate": .number("0.001")],
      "batch": ["size": .integer(batch), "ghost": .integer(batch)], "schedule": "constant",
    ]
    let plan = try Plan(Grid(document: document)) { spec throws(InvalidDocument) in
      try spec.facts(from: folders)
    }
    guard let planned = plan.stages.first, let spec = planned.spec.native else {
      throw ValidationError("nothing is planned")
    }
    let stage = planned.stage
    return (
      StageWork(
        digest: "bench", spec: spec, seed: 1, law: stage.law, start: stage.start,
        end: stage.end, startUpdates: stage.startUpdates),
      try Dataset.load(spec.dataset, from: folders)
    )
  }

  /// Trains for a while: two ghost batches that are not timed, then those of the measurement.
  private func samplesPerSecond(_ stage: (work: StageWork, dataset: Dataset)) throws -> Double {
    var (polls, count) = (0, 0)
    var start = ContinuousClock.now
    var spent = 0.0
    let trainer = try StageTrainer(
      stage.work, dataset: stage.dataset, from: nil, threads: threads,
      hooks: .init(directive: {
        polls += 1
        if polls == 3 { start = .now }
        guard polls > 3 else { return .proceed(threads: threads) }
        count = polls - 3
        spent = (ContinuousClock.now - start) / .seconds(1)
        return spent < seconds ? .proceed(threads: threads) : .abandon
      }))
    _ = trainer.run()
    return Double(count * batch) / spent
  }
}
