import ArgumentParser
import Datasets
import Experiments
import Foundation
import JobQueue
import Logging
import Postgres
import Synchronization
import Training
import Values
import Worker

/// A worker's months in minutes: heartbeats as fast as the queue answers, and short stages one after
/// the other, while the memory of the process is watched.
struct Soak: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "soak", abstract: "Runs one worker for long and watches its memory.",
    discussion: "Exits with 1 where memory grows by more than --growth after the first quarter.")

  @Option(help: "Heartbeats to send; a worker in training sends 28,800 a day.")
  var heartbeats = 100_000
  @Option(help: "Short stages to train.") var stages = 2_000
  @Option(help: "Growth that is allowed, as a share.") var growth = 0.05

  /// What the worker has done so far.
  private final class Count: Sendable {
    private struct State {
      var heartbeats = 0
      var stages = 0
      /// How a stage ended that did not finish.
      var failure: String?
    }

    private let state = Mutex(State())

    func note(_ news: WorkerNews) {
      state.withLock { state in
        switch news {
        case .heartbeatConfirmed: state.heartbeats += 1
        case .ended(_, .finished): state.stages += 1
        case .ended(let stage, let ending): state.failure = "\(stage.lease.stage): \(ending)"
        case .registered, .draining, .started, .progressed, .measured: break
        }
      }
    }

    var now: (heartbeats: Int, stages: Int) { state.withLock { ($0.heartbeats, $0.stages) } }
    var failure: String? { state.withLock { $0.failure } }
  }

  func run() async throws {
    let folder = NSTemporaryDirectory() + "jobctl-soak-\(getpid())"
    let cluster = try LocalCluster(home: folder)
    try await cluster.ensureRunning()
    let result: Result<Void, any Error>
    do { result = .success(try await soak(cluster, folder)) } catch { result = .failure(error) }
    _ = try await cluster.stop()
    try? FileManager.default.removeItem(atPath: folder)
    try result.get()
  }

  private func soak(_ cluster: LocalCluster, _ folder: String) async throws {
    let quiet = Logger(label: "soak") { _ in SwiftLogNoOpLogHandler() }
    let database = Database(try cluster.target(), logger: quiet)
    try await Migrator(database).migrate()
    try await submit(to: JobQueue(database))
    var settings = WorkerCore.Settings(slots: 2, threads: 2)
    (settings.heartbeat, settings.idleHeartbeat) = (.zero, .zero)
    let count = Count()
    let worker = WorkerService(
      WorkerOptions(
        slots: 2, threads: 2, grid: nil, untilEmpty: false, checkpointEvery: .seconds(60),
        checkpoints: folder + "/store", dataFolders: DataFolders(roots: []), version: "soak"),
      target: try cluster.target(), settings: settings, logger: quiet, news: count.note)
    let running = Task { try await worker.run() }
    let start = ContinuousClock.now
    var sampled: [Int] = []
    var (last, lastChange) = (count.now, ContinuousClock.now)
    while sampled.count <= 20 {
      let done = count.now
      if done != last { (last, lastChange) = (done, .now) }
      if let failure = count.failure { throw Stuck(reason: "stage \(failure)") }
      guard ContinuousClock.now - lastChange < Soak.patience else {
        throw Stuck(reason: "\(done.heartbeats) heartbeats, \(done.stages) stages, and no more")
      }
      let share = min(
        Double(done.heartbeats) / Double(heartbeats), Double(done.stages) / Double(stages))
      if share * 20 >= Double(sampled.count) {
        sampled.append(residentMemory())
        print(
          "\(Int(((ContinuousClock.now - start) / .seconds(1)).rounded())) s: "
            + "\(done.heartbeats) heartbeats, \(done.stages) stages, \(sampled.last ?? 0) bytes")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    running.cancel()
    try await running.value
    let (early, late) = (sampled[5...9].reduce(0, max), sampled[16...20].reduce(0, max))
    let grown = Double(late) / Double(early) - 1
    print("memory after the first quarter: \(early) bytes; at the end: \(late) bytes")
    guard grown <= growth else { throw Grown(share: grown) }
  }

  /// A worker that does nothing for so long has ended, or hangs.
  private static let patience = Duration.seconds(60)

  struct Stuck: Error, CustomStringConvertible {
    let reason: String
    var description: String { "the worker does not go on: \(reason)" }
  }

  struct Grown: Error, CustomStringConvertible {
    let share: Double
    var description: String {
      "memory grew by \((share * 1000).rounded() / 10) % after the first quarter"
    }
  }

  /// One stage a seed, of two updates.
  private func submit(to queue: JobQueue) async throws {
    let grid = try Grid(document: [
      "name": "soak",
      "dataset": [
        "name": "synthetic", "train": 64, "test": 16, "height": 4, "width": 4, "classes": 2,
      ],
      "network": ["name": "mlp", "hidden": [8]], "epochs": 1,
      "optimizer": ["name": "sgd", "learning_rate": .number("0.1")],
      "batch": ["size": 32, "ghost": 32], "schedule": "constant",
      "seeds": .string("1-\(stages)"),
    ])
    let plan = try Plan(grid) { spec throws(InvalidDocument) in
      try spec.facts(from: DataFolders(roots: []))
    }
    _ = try await queue.submit(
      Submission(plan, priority: nil) { $0.cost(threads: 1).memoryBytes })
  }
}
