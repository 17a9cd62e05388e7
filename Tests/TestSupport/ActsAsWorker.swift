import Experiments
import JobQueue
import Postgres
import Values

/// What a worker asks of the queue, without one: it claims and finishes, and trains nothing.
package protocol ActsAsWorker: Sendable {
  var queue: JobQueue { get }
}

extension ActsAsWorker {
  package var store: String { "store-1" }

  /// An empty queue of its own, with the store that checkpoints name and a clock that stands still.
  package static func queueWithStore() async throws -> JobQueue {
    let queue = try await TestCluster.queue()
    try await queue.stopClock()
    try await queue.register(store: "store-1", path: "/nowhere", host: "test")
    return queue
  }

  package func worker(_ name: String = "w") async throws -> Int {
    try await queue.register(
      worker: WorkerRow(
        name: name, host: "test", pid: 1, version: "test", fingerprint: "test", slots: 4,
        threads: 1, stores: [store]), patience: .none)
  }

  package func claim(
    _ worker: Int, _ slots: Int = 1, lease: Duration = .seconds(3600), grid: String? = nil,
    datasets: [String]? = nil
  ) async throws -> [ClaimedStage] {
    let digests: [String]
    if let datasets {
      digests = datasets
    } else {
      digests = try await queue.datasetsWanted().map(\.digest)
    }
    return try await queue.claim(
      .init(
        worker: worker, slots: slots, datasets: digests, stores: [store], memory: 1 << 30,
        grid: grid,
        threads: 1, fingerprint: "test"), lease: lease
    ).stages
  }

  /// The checkpoint at a stage's end, in a file whose name ends so where that is given.
  package func checkpoint(_ stage: ClaimedStage, file: String? = nil) -> CheckpointRow {
    CheckpointRow(
      store: store, file: CheckpointRow.fileName(of: stage.lease, file ?? "end"),
      samples: stage.end, updates: stage.startUpdates + stage.updates, bytes: 1,
      digest: String(repeating: "a", count: 64), fingerprint: "test",
      parametersDigest: String(repeating: "b", count: 64))
  }

  package func progress(_ stage: ClaimedStage) -> ProgressRow {
    ProgressRow(updates: stage.updates, samples: stage.end, seconds: 1)
  }

  /// A measurement of a test set in which so many samples are of the commonest class.
  package func measurement(
    _ stage: ClaimedStage, at samples: Int? = nil, accuracy: Double, loss: Double,
    of testSamples: Int, commonest: Int, isAboveGuessing: Bool
  ) -> MeasurementRow {
    var row = MeasurementRow()
    row.samples = samples ?? stage.end
    (row.updates, row.epoch, row.batch, row.learningRate) = (stage.updates, 1, 32, 0.1)
    (row.trainLoss, row.trainAccuracy) = (loss, 0)
    (row.testLoss, row.testAccuracy) = (loss, accuracy)
    (row.testSamples, row.testCommonest) = (testSamples, commonest)
    row.isAboveGuessing = isAboveGuessing
    (row.seconds, row.coreSeconds) = (2, 4)
    return row
  }

  package func finish(_ stage: ClaimedStage) async throws -> Bool {
    try await queue.finish(
      stage.lease, checkpoint: checkpoint(stage), measurements: [], progress: progress(stage))
  }

  package func states() async throws -> [String: Int] {
    try await queue.state(grid: nil).counts.filter { $0.value > 0 }
  }
}
