import Datasets
import Experiments
import Foundation
import JobQueue
import TestSupport
import Testing
import Trainers
import Training
import Values
import Worker

/// Grids of a program that only counts (Tests/Fixtures/trainer), and workers that run it.
protocol TrainsExternally: RunsWorkers {}

extension TrainsExternally {
  static var trainer: String { repository.appending(path: "Tests/Fixtures/trainer").path }

  /// Three schedules of the trainer, as `smallGrid` has them of a network.
  func trainerGrid(
    _ name: String, _ parameters: JSON = [:], changing changes: [(String, JSON)] = []
  ) -> JSON {
    let grid = smallGrid(name).members ?? []
    let document = JSON.object(
      grid.filter { !["dataset", "network"].contains($0.key) } + [
        .init(
          "trainer",
          [
            "command": ["python3", "train.py"], "code": ".", "parameters": parameters,
            "samples_per_epoch": 480,
          ])
      ])
    return changes.reduce(document) { document, change in
      document.setting(change.0.split(separator: ".").map(String.init)[...], to: change.1)
    }
  }

  func submit(_ document: JSON, to queue: JobQueue, code folder: String) async throws {
    _ = try await queue.submit(try await submission(document, code: folder))
  }

  /// With a folder of code, as `jobctl submit` makes it.
  func submission(_ document: JSON, code folder: String) async throws -> Submission {
    let grid = try Grid(document: document)
    var digests: [TrainerFiles: TrainerDigests] = [:]
    var archives: [[UInt8]] = []
    for files in Set(grid.settings.compactMap { $0.spec.training.trainer?.files }) {
      let code = try await CodeFolder(files, base: folder)
      digests[files] = code.digests
      archives += [code.archive].compactMap { $0 }
    }
    let plan = try Plan(grid, digests: digests) { spec throws(InvalidDocument) in
      try spec.facts(from: .init(roots: []))
    }
    var submission = Submission(plan, priority: nil) { $0.cost(threads: 1).memoryBytes }
    submission.code = archives
    return submission
  }

  /// How a worker runs trainers, with files of its own in a folder.
  func trainers(_ folder: String) -> TrainerOptions {
    var variables = ProcessInfo.processInfo.environment
    variables["PATH"] = "/usr/bin:/bin"
    variables["PYTHONPATH"] = repository.appending(path: "python").path
    return TrainerOptions(
      supervisor: builtProgram, scratch: folder, user: nil, environment: variables)
  }
}
