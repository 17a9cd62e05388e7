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
      worker: [
        "name": .string(name), "host": "test", "pid": 1, "version": "test",
        "numerics_version": .integer(numericsVersion), "fingerprint": "test", "slots": 4,
        "threads": 1, "stores": [.string(store)],
      ], patience: .none)
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
        threads: 1, fingerprint: "test"), lease: lease)
  }

  package func checkpoint(_ stage: ClaimedStage) -> JSON {
    [
      "store": .string(store), "file": .string("s\(stage.lease.stage)-\(stage.lease.attempt)"),
      "samples": .integer(stage.end), "updates": .integer(stage.startUpdates + stage.updates),
      "bytes": 1, "digest": .string(String(repeating: "a", count: 64)), "fingerprint": "test",
      "parameters_digest": .string(String(repeating: "b", count: 64)),
    ]
  }

  package func totals(_ stage: ClaimedStage) -> JSON {
    ["updates": .integer(stage.updates), "samples": .integer(stage.end), "seconds": 1]
  }

  package func finish(_ stage: ClaimedStage) async throws -> Bool {
    try await queue.finish(
      stage.lease, checkpoint: checkpoint(stage), measurements: [], totals: totals(stage))
  }

  package func states() async throws -> [String: Int] {
    try await queue.state(grid: nil).counts.filter { $0.value > 0 }
  }
}
