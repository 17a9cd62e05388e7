import ArgumentParser
import Checkpoints
import Datasets
import Foundation
import Host
import JobQueue
import Tables
import Training
import Values
import Worker

/// Trained networks outside of the queue: files of them, and what they say of somebody's data.

struct CheckpointExport: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes a run's network as a safetensors file.",
    discussion: """
      The file has the parameters, the running statistics, and in its metadata what else is needed to use \
      them: the network, the names of the classes, how files become inputs, how the arrays are laid out. \
      jobctl predict reads it. The state of a trainer is written as the trainer has handed it over.
      """)

  @OptionGroup var grid: GridArgument
  @Argument(help: "A run's name.") var run: String
  @Argument(help: "The file to write.", completion: .file(extensions: ["safetensors"])) var output:
    String
  @Option(help: "The checkpoint of this epoch; the run's end by default.") var epoch: Double?
  @Flag(help: "Keep the optimizer's state.") var optimizer = false
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var store: StoreOptions

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let grid = try await grid.find(in: queue)
    try await queue.require(run: self.run, of: grid)
    let chosen = try choose(try await queue.checkpoints(ofRun: self.run, grid: grid.id), grid.name)
    let store = try await openStore(store.path, of: queue, for: .reading).store
    guard store.id == chosen.store else {
      throw Unavailable(
        "the checkpoint is in another store than \(store.path); see jobctl checkpoint list")
    }
    let checkpoint = try store.read(
      chosen.file, digest: chosen.digest, limit: chosen.memoryBytes)
    if let bytes = TrainerState.file(in: checkpoint) {
      return try write(bytes, chosen, ", as the trainer handed it over")
    }
    let model = try Model.export(
      checkpoint,
      of: .init(
        grid: grid.name, run: self.run, epoch: chosen.epoch, isFinished: chosen.isEnd),
      keepsOptimizer: optimizer)
    try write(model.safetensors, chosen)
  }

  private func write(_ bytes: [UInt8], _ chosen: RunCheckpoint, _ remark: String = "") throws {
    try Data(bytes).write(to: URL(filePath: output), options: .atomic)
    print("\(output): \(bytes.count) bytes, epoch \(shown(chosen.epoch))\(remark)")
    if !chosen.isEnd {
      print(
        "The run is not finished there: it has \(shown(chosen.epochsPlanned)) epochs planned.")
    }
  }

  private struct Unavailable: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  private func shown(_ epoch: Double) -> String {
    JSON.text(of: (epoch * 100).rounded() / 100)
  }

  private func choose(
    _ all: [RunCheckpoint], _ grid: String
  ) throws -> RunCheckpoint {
    let epochs = Array(Set(all.map(\.epoch))).sorted().map(shown).joined(separator: ", ")
    let present =
      all.isEmpty
      ? "it has no checkpoint"
      : "it has checkpoints at the epochs \(epochs); --epoch takes one of them"
    if let epoch {
      guard let chosen = all.last(where: { abs($0.epoch - epoch) < 0.005 }) else {
        throw Unavailable(
          "run \(run) of grid \(grid) has none at epoch \(shown(epoch)): \(present)")
      }
      return chosen
    }
    guard let end = all.last(where: \.isEnd) else {
      throw Unavailable("run \(run) of grid \(grid) is not at its end: \(present)")
    }
    return end
  }
}

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict", abstract: "Says what an exported network makes of files.",
    discussion: """
      Takes pictures (JPEG, PNG), CSV files with the columns of the training data, or arrays (.npy), as the \
      network was trained on. Exits with 1 where a file cannot be read; the others are classified.
      """)

  @Argument(
    help: "What jobctl checkpoint export has written.",
    completion: .file(extensions: ["safetensors"])) var model: String
  @Argument(help: "The files.", completion: .file()) var files: [String]
  @Option(help: "How many classes of each input are shown, the likeliest first.") var top = 3
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard top >= 1 else { throw ValidationError("--top is at least 1") }
  }

  private struct Prediction {
    var name: String
    var classes: [(name: String, probability: Double)]
  }

  func run() throws {
    let model = try Model(Checkpoint(exported: self.model))
    var inputs: [(name: String, input: [Float])] = []
    var failures = 0
    for file in files {
      do throws(DatasetError) {
        inputs += try model.inputs.read(file)
      } catch {
        failures += 1
        FileHandle.standardError.write(Data("\(printable(error.description))\n".utf8))
      }
    }
    let found = model.probabilities(of: inputs.map(\.input))
    let predictions = zip(inputs, found).map { input, probabilities in
      let order = probabilities.indices.sorted {
        (probabilities[$1], $0) < (probabilities[$0], $1)
      }
      return Prediction(
        name: input.name,
        classes: order.prefix(top).map { (model.inputs.classes[$0], probabilities[$0]) })
    }
    if model.metadata["finished"] != "yes" {
      FileHandle.standardError.write(
        Data("The network is of an unfinished run: epoch \(model.metadata["epoch"] ?? "").\n".utf8))
    }
    print(json ? document(predictions).pretty() : text(predictions))
    if failures > 0 { throw ExitCode(ExitStatus.failure) }
  }

  private func text(_ predictions: [Prediction]) -> String {
    Listing(
      predictions,
      [
        .text("input") { printable($0.name) }, .text("class") { printable($0.classes[0].name) },
        .figure("probability") { percent($0.classes[0].probability) + " %" },
        .text("next") { prediction in
          prediction.classes.dropFirst().map {
            "\(printable($0.name)) \(percent($0.probability)) %"
          }.joined(separator: ", ")
        },
      ]
    ).text(or: "Nothing to classify.")
  }

  private func document(_ predictions: [Prediction]) -> JSON {
    [
      "format": 1,
      "predictions": .array(
        predictions.map { prediction in
          [
            "input": .string(prediction.name),
            "classes": .array(
              prediction.classes.map {
                ["class": .string($0.name), "probability": .real($0.probability)]
              }),
          ]
        }),
    ]
  }
}
