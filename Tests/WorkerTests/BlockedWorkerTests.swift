import Datasets
import Foundation
import JobQueue
import Postgres
import Synchronization
import TestSupport
import Testing
import Worker

/// A worker whose process, or whose own loop, does not keep up.
@Suite struct BlockedWorkerTests {
  /// In a process of its own: nothing else would go on while the pool is blocked.
  @Test func heartbeatsPassABlockedPool() async {
    await #expect(processExitsWith: .success) { try await BlockedPool.heartbeatsGoOn() }
  }

  /// Where the loop does not take messages out, a tick and a poke wait, and no more of them. A full inbox
  /// would end the process.
  @Test func ofTicksAndPokesOneWaitsAtTheMost() async {
    let inbox = Inbox(slots: 1)
    var messages = inbox.messages.makeAsyncIterator()
    for _ in 0..<3 {
      for _ in 0..<10_000 {
        inbox.tick()
        inbox.poke()
      }
      var found: [String] = []
      for _ in 0..<2 {
        guard let message = await messages.next() else { break }
        inbox.took(message)
        if case .event(let event) = message { found.append("\(event)") }
      }
      #expect(found == ["tick", "poke"])
    }
    // Nothing is left: what is sent next comes next.
    inbox.send(.event(.drain))
    if case .event(let event)? = await messages.next() { #expect("\(event)" == "drain") }
  }
}

/// What the test of a blocked pool does in its process.
private enum BlockedPool {
  struct NoHeartbeat: Error {}

  /// A number that several threads count up.
  private final class Counter: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }
    func add() { value.withLock { $0 += 1 } }
  }

  static func heartbeatsGoOn() async throws {
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    let beats = Counter()
    var settings = WorkerCore.Settings(slots: 2, threads: 2)
    (settings.lease, settings.idleHeartbeat) = (.seconds(3600), .milliseconds(50))
    let options = WorkerOptions(
      slots: 2, threads: 2, grid: nil, untilEmpty: false, checkpointEvery: .seconds(1),
      checkpoints: folder.path + "/store", dataFolders: DataFolders(roots: []), version: "test")
    let worker = WorkerService(
      options, target: queue.database.target, settings: settings, logger: quietLogger,
      news: { if case .heartbeatConfirmed = $0 { beats.add() } })
    let running = Task { try await worker.run() }
    try await until("the first heartbeat is answered") { beats.count > 0 }
    let isPassing = await withPoolBlocked {
      let before = beats.count
      // Patience for slow machines: what is tested is that they come at all.
      for _ in 0..<6000 where beats.count < before + 3 { Thread.sleep(forTimeInterval: 0.01) }
      return beats.count >= before + 3
    }
    guard isPassing else { throw NoHeartbeat() }
    worker.drain()
    try await running.value
  }

  /// Blocks all threads of Swift's pool until `body` is over, which runs on a thread of its own.
  private static func withPoolBlocked<Value: Sendable>(
    _ body: @escaping @Sendable () -> Value
  ) async -> Value {
    await withCheckedContinuation { continuation in
      Thread {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let (blocked, over) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        @Sendable func block() {
          blocked.signal()
          over.wait()
        }
        for _ in 0..<cores { Task.detached { block() } }
        for _ in 0..<cores { blocked.wait() }
        let value = body()
        for _ in 0..<cores { over.signal() }
        continuation.resume(returning: value)
      }.start()
    }
  }
}
