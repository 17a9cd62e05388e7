import Checkpoints
import Datasets
import Experiments
import Foundation
import Testing
import Training
import Values

/// A small run over synthetic pictures whose batch grows past the ghost batch.
struct SmallRun {
  let dataset: Dataset
  let stages: [StageWork]

  init(
    network: JSON = "cnn", optimizer: JSON = "momentum", augment: Bool = false,
    smoothing: String = "0", side: Int = 8, samples: Int = 480, ghost: Int = 32,
    changing changes: [(String, JSON)] = []
  ) throws {
    var data: JSON = [
      "name": "synthetic", "train": .integer(samples), "test": .integer(samples / 5),
      "validation": .integer(samples / 15), "height": .integer(side), "width": .integer(side),
      "channels": 2, "classes": 4,
    ]
    if augment { data = data.setting(["augment"], to: ["crop_padding": 1, "flip": true]) }
    var document: JSON = [
      "name": "small", "dataset": data, "loss": ["label_smoothing": .number(smoothing)],
      "network": network, "epochs": 3,
      "optimizer": [
        "name": optimizer, "learning_rate": .number(optimizer == "adam" ? "0.002" : "0.05"),
        "weight_decay": .number("5e-4"),
      ],
      "batch": [
        "size": .integer(ghost), "ghost": .integer(ghost), "maximum": .integer(5 * ghost),
      ],
      "schedule": ["name": "increase", "drops": ["epochs": [1, 2], "factor": 5]], "seeds": [3],
    ]
    for (path, value) in changes {
      document = document.setting(path.split(separator: ".").map(String.init)[...], to: value)
    }
    try self.init(document, from: DataFolders(roots: []))
  }

  /// The only run of a grid, with the seed 3.
  init(_ document: JSON, from folders: DataFolders) throws {
    let plan = try Plan(Grid(document: document)) { spec throws(InvalidDocument) in
      try spec.facts(from: folders)
    }
    let spec = try #require(plan.settings[0].setting.spec.training.native)
    let probe = plan.settings[0].setting.spec.probe
    dataset = try Dataset.load(spec.dataset, from: folders)
    stages = plan.stages.map { planned in
      let stage = planned.stage
      return StageWork(
        digest: planned.digest(seed: 3) ?? "", spec: spec, probe: probe, seed: 3, law: stage.law,
        start: stage.start, end: stage.end, startUpdates: stage.startUpdates)
    }
  }

  struct Result: Equatable {
    var digest = ""
    var measurements: [Training.Measurement] = []
  }

  /// Trains all stages; `stopAfter` lists the questions (counted over the run) at which the
  /// trainer is drained and made anew from the file that it left, or from what would be in it.
  func train(
    threads: Int = 1, stopAfter: Set<Int> = [], throughFiles: Bool = true
  ) throws -> Result {
    let folder = NSTemporaryDirectory() + "trainer-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try FolderStore(path: folder, of: .init(queue: "test"), for: .training)
    var result = Result()
    var checkpoint: Checkpoint?
    var polls = 0
    var stopped: Set<Int> = []
    for work in stages {
      var isDone = false
      while !isDone {
        let trainer = try StageTrainer(
          work, dataset: dataset, from: checkpoint, threads: threads,
          hooks: .init(
            directive: {
              if stopAfter.contains(polls), stopped.insert(polls).inserted { return .drain }
              polls += 1
              return .proceed(threads: 1 + polls % threads)
            },
            measured: { result.measurements.append($0) }))
        switch trainer.run() {
        case .finished(let end):
          let (sealed, digest) = end.content.sealed()
          checkpoint = throughFiles ? try passThroughFile(sealed, store) : sealed
          result.digest = digest
          isDone = true
        case .drained(let end):
          let sealed = end.content.sealed().checkpoint
          checkpoint = throughFiles ? try passThroughFile(sealed, store) : sealed
        case .abandoned, .diverged, .unreadable:
          Issue.record("a small run must finish")
          isDone = true
        }
      }
    }
    for i in result.measurements.indices {
      (result.measurements[i].seconds, result.measurements[i].coreSeconds) = (0, 0)
      result.measurements[i].peakMemory = 0
      result.measurements[i].gradientNoise?.probeSeconds = 0
    }
    return result
  }

  private func passThroughFile(_ checkpoint: Checkpoint, _ store: FolderStore) throws
    -> Checkpoint
  {
    let written = try store.write(checkpoint, as: "checkpoint.safetensors.zst")
    return try store.read(written.file, digest: written.digest, limit: 1 << 30)
  }
}

@Suite struct StageTrainerTests {
  @Test func interruptionsAndThreadsChangeNoBit() throws {
    let run = try SmallRun(augment: true)
    let whole = try run.train()
    #expect(whole.measurements.count == 3)
    // Questions 0..<14 are before updates of one ghost batch, 14..<18 inside of the first measurement;
    // later updates have five ghost batches, and 23 lies inside of one.
    let interrupted = try run.train(stopAfter: [5, 17, 23])
    let onTwo = try run.train(threads: 2)
    let onThreeInterrupted = try run.train(threads: 3, stopAfter: [1, 16, 30])
    #expect(interrupted == whole)
    #expect(onTwo == whole)
    #expect(onThreeInterrupted == whole)
  }

  /// Between updates, inside of them, and while test and validation samples are looked at.
  @Test func aDrainAtAnyQuestionChangesNoBit() throws {
    let run = try SmallRun(network: "mlp")
    let whole = try run.train()
    for question in 0..<60 {
      #expect(try run.train(stopAfter: [question]) == whole, "drained at question \(question)")
    }
    let often = Set((0..<60).filter { $0 % 2 == 1 })
    #expect(try run.train(stopAfter: often) == whole)
  }

  @Test(arguments: ["mlp", "wrn-10-1"]) func everyNetworkResumesExactly(network: String) throws {
    let run = try SmallRun(network: .string(network))
    let interrupted = try run.train(threads: 2, stopAfter: [18])
    let whole = try run.train()
    #expect(interrupted == whole)
  }

  /// With few and small pictures: 48, of which three are held out.
  @Test(arguments: [("resnet-50", 32), ("inception-resnet-v2", 75)])
  func largeNetworksResumeExactly(network: String, side: Int) throws {
    let run = try SmallRun(network: .string(network), side: side, samples: 48, ghost: 4)
    let interrupted = try run.train(threads: 2, stopAfter: [14])
    let whole = try run.train()
    #expect(interrupted == whole)
  }

  @Test(arguments: ["sgd", "nesterov", "adam", "lars"]) func everyOptimizerResumesExactly(
    name: String
  )
    throws
  {
    let run = try SmallRun(network: "mlp", optimizer: .string(name))
    let interrupted = try run.train(threads: 2, stopAfter: [18])
    let whole = try run.train()
    #expect(interrupted == whole)
  }

  /// Smoothed targets keep the training loss above their entropy; test losses are without.
  @Test func labelSmoothingIsForTrainingOnly() throws {
    let plain = try SmallRun().train().measurements
    let smooth = try SmallRun(smoothing: "0.4").train().measurements
    // Targets 0.7, 0.1, 0.1, 0.1 of four classes.
    let entropy = -(0.7 * log(0.7) + 3 * 0.1 * log(0.1))
    #expect(smooth.allSatisfy { $0.train.loss >= entropy })
    #expect(try #require(plain.last).train.loss < entropy)
    #expect(try #require(smooth.last).test.loss < entropy)
  }

  @Test func trainingLearns() throws {
    let result = try SmallRun().train()
    let last = try #require(result.measurements.last)
    #expect(last.test.accuracy > 0.5)
    #expect(last.validation != nil)
    #expect(last.samples == 1440 || last.samples > 1340)
  }
}
