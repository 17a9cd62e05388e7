import ArgumentParser
import Checkpoints
import Foundation
import NeuralNet
import Tensors
import Values

/// What a checkpoint costs: size and speed by level, and images per second while some are written.
struct CheckpointBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract: "Writes and restores the state of training; times training with and without.")

  @Option(help: "The network whose state it is.") var network = "resnet-50"
  @Option(help: "Images a step.") var batch = 32
  @Option(help: "Height and width of the images; by default those of the network's paper.")
  var size: Int?
  @Option(help: "Threads.") var threads = 2
  @Option(help: "Levels of zstd to compare.") var levels: [Int32] = [-5, 1, 3]
  @Option(help: "Seconds from one checkpoint to the next.") var every = 10.0
  @Option(
    help: "Rounds of training, each of `every` seconds without and with a checkpoint; 0: none.")
  var rounds = 3
  @Option(help: "The folder to write to.") var folder = NSTemporaryDirectory() + "jobctl-bench"
  @Flag(help: "One JSON line a case instead of text.") var json = false

  func run() throws {
    let step = try TrainingStep(
      network: network, batch: batch, size: size, channels: 3, threads: threads)
    defer { step.close() }
    for _ in 0..<2 { step.run() }
    let store = try FolderStore(path: folder, of: .init(queue: "bench"), for: .training)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for level in levels { try compare(level, step, store) }
    if rounds > 0 { try train(step, store) }
  }

  private func compare(_ level: Int32, _ step: TrainingStep, _ store: FolderStore) throws {
    var start = ContinuousClock.now
    let state = step.state()
    let copied = (ContinuousClock.now - start) / .seconds(1)
    start = .now
    let written = try store.write(state, as: "state", level: level)
    let wrote = (ContinuousClock.now - start) / .seconds(1)
    start = .now
    let reread = try store.read("state", digest: written.digest, limit: 2 * state.byteCount)
    guard reread.arrays.count == state.arrays.count else {
      throw ValidationError("the state that was read is not the one that was written")
    }
    let read = (ContinuousClock.now - start) / .seconds(1)
    let bytes = state.arrays.reduce(0) { $0 + $1.bytes.count }
    let ratio = Double(bytes) / Double(written.bytes)
    let chosen = level == Compression.level ? " (the one in use)" : ""
    report(
      "\(network), \(bytes >> 20) MiB, level \(level)\(chosen): copied in \(milli(copied)) ms, "
        + "written in \(milli(wrote)) ms (\(Int(Double(bytes) / wrote / 1e6)) MB/s), "
        + "read in \(milli(read)) ms, ratio \((ratio * 1000).rounded() / 1000)",
      [
        "network": .string(network), "level": .integer(Int(level)), "bytes": .integer(bytes),
        "file_bytes": .integer(written.bytes), "ratio": .real(ratio),
        "copy_seconds": .real(copied), "write_seconds": .real(wrote), "read_seconds": .real(read),
      ])
  }

  /// Rounds in turn: the machine may be busier at one time than at another.
  private func train(_ step: TrainingStep, _ store: FolderStore) throws {
    var ratios: [Double] = []
    var (without, with): ([Double], [Double]) = ([], [])
    for round in 0..<rounds {
      without.append(speed(step, writing: nil))
      with.append(speed(step, writing: (store, "round-\(round)")))
      ratios.append(with[round] / without[round])
    }
    func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    report(
      "\(network), batch \(batch), \(threads) threads: \(tenths(median(without))) images/s without, "
        + "\(tenths(median(with))) with a checkpoint every \(every) s; median ratio "
        + "\((median(ratios) * 1000).rounded() / 1000)",
      [
        "network": .string(network), "threads": .integer(threads), "every_seconds": .real(every),
        "images_per_second": .real(median(without)),
        "images_per_second_with_checkpoints": .real(median(with)),
        "ratio": .real(median(ratios)),
      ])
  }

  /// Images a second over `every` seconds, with one checkpoint at their start where there is a store.
  private func speed(_ step: TrainingStep, writing: (FolderStore, String)?) -> Double {
    let start = ContinuousClock.now
    let queue = DispatchQueue(label: "checkpoint")
    if let (store, file) = writing {
      let state = step.state()
      queue.async { _ = try? store.write(state, as: file) }
    }
    var images = 0
    while (ContinuousClock.now - start) / .seconds(1) < every {
      step.run()
      images += batch
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    queue.sync {}
    return Double(images) / seconds
  }

  private func report(_ text: String, _ row: JSON) { print(json ? row.encoded() : text) }
  private func milli(_ seconds: Double) -> Int { Int((seconds * 1000).rounded()) }
  private func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}

extension TrainingStep {
  /// A copy of parameters, statistics and the optimizer's slots.
  func state() -> Checkpoint {
    func array(_ name: String, _ values: Floats) -> Checkpoint.NamedArray {
      .init(
        name, shape: [values.count],
        floats: UnsafeBufferPointer(start: values.base, count: values.count))
    }
    return Checkpoint(
      metadata: [:],
      arrays: [array("parameters", parameters), array("statistics", statistics)]
        + optimizer.slots.map { array($0.name, $0.values) })
  }
}
