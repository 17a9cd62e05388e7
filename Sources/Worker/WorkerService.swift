import Checkpoints
import Datasets
import Experiments
import Foundation
import JobQueue
import Logging
import Postgres
import ServiceLifecycle
import Synchronization
import Tensors
import Training
import Values

/// How a worker is set up.
package struct WorkerOptions: Sendable {
  package var slots: Int
  /// Cores shared among the slots.
  package var threads: Int
  package var grid: String?
  package var untilEmpty: Bool
  package var checkpointEvery: Duration
  package var checkpoints: String
  package var dataFolders: DataFolders
  package var version: String

  package init(
    slots: Int, threads: Int, grid: String?, untilEmpty: Bool, checkpointEvery: Duration,
    checkpoints: String, dataFolders: DataFolders, version: String
  ) {
    self.slots = slots
    self.threads = threads
    self.grid = grid
    self.untilEmpty = untilEmpty
    self.checkpointEvery = checkpointEvery
    self.checkpoints = checkpoints
    self.dataFolders = dataFolders
    self.version = version
  }
}

/// The worker daemon: carries out what `WorkerCore` decides.
package final class WorkerService: Service {
  private let options: WorkerOptions
  private let queue: JobQueue
  /// A connection of its own, so that no slow write delays a heartbeat.
  private let heartbeatQueue: JobQueue
  private let target: ConnectionTarget
  private let logger: Logger
  private let news: @Sendable (WorkerNews) -> Void
  private let shelf: DatasetShelf
  private let fingerprint = WorkerService.kernels
  private let settings: WorkerCore.Settings
  private let controls = Mutex<[Lease: StageControl]>([:])
  /// Data sets that were wanted and are here, and when that was asked.
  private let datasets = Mutex<(present: [String], at: ContinuousClock.Instant)?>(nil)
  /// Why data sets cannot be opened here, as the queue has been told.
  private let told = Mutex<[String: String]>([:])
  private let core: Mutex<WorkerCore>
  /// The queue's number of this worker.
  private let number = Atomic(0)
  /// What was claimed with a stage's finish, for when the stage has ended.
  private let claimedWith = Mutex<[Lease: Message]>([:])

  /// What is wanted is looked for anew after this long, or when there is nothing else to claim.
  private static let datasetsStayWanted = Duration.seconds(30)

  /// Which kernels this machine trains with.
  package static let kernels = kernelDescription

  package init(
    _ options: WorkerOptions, target: ConnectionTarget, settings: WorkerCore.Settings? = nil,
    logger: Logger, news: @escaping @Sendable (WorkerNews) -> Void
  ) {
    self.options = options
    self.target = target
    self.logger = logger
    self.news = news
    queue = JobQueue(Database(target, logger: logger))
    heartbeatQueue = JobQueue(Database(target, logger: logger))
    shelf = DatasetShelf(folders: options.dataFolders, logger: logger)
    var settings = settings ?? WorkerCore.Settings(slots: options.slots, threads: options.threads)
    settings.untilEmpty = options.untilEmpty
    self.settings = settings
    core = Mutex(WorkerCore(settings, now: .now))
  }

  /// What else the loop is told of: stages that were claimed, with all that is known of them.
  private enum Message: Sendable {
    case event(WorkerCore.Event)
    case claimed([ClaimedStage], sent: ContinuousClock.Instant)
    /// What the queue said to a heartbeat of the worker that had this number then.
    case answered(WorkerCore.HeartbeatAnswer, of: Int)
    /// The queue's number of this worker; nil where it did not answer.
    case registered(Int?)
  }

  package func run() async throws {
    let error = BLAS.selfCheck()
    // Relative to the size of the sums; single precision leaves about 1e-6 at these lengths.
    guard error < 1e-5 else { throw WrongKernels(error: error) }
    let store = try CheckpointStore(path: options.checkpoints)
    try await queue.register(store: store.id, path: store.path, host: hostName)
    let first = try await register(store)
    number.store(first, ordering: .relaxed)
    news(.registered(worker: first))
    logger.info(
      "worker started",
      metadata: [
        "worker": "\(first)", "slots": "\(options.slots)",
        "threads": "\(options.threads)", "kernels": "\(fingerprint)", "store": "\(store.path)",
      ])
    let (messages, inbox) = AsyncStream.makeStream(of: Message.self)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.tick(inbox) }
      group.addTask { await self.listen(inbox) }
      group.addTask {
        await cancelWhenGracefulShutdown {
          try? await Task.sleep(for: .seconds(1 << 30))
        }
        inbox.yield(.event(.drain))
      }
      var known: [Lease: ClaimedStage] = [:]
      var isRegistering = false
      loop: for await message in messages {
        var event: WorkerCore.Event
        switch message {
        case .event(let plain): event = plain
        case .claimed(let stages, let sent):
          for stage in stages { known[stage.lease] = stage }
          event = .claimed(stages.map(\.lease), sent: sent)
        case .answered(var answer, let asked):
          // It knows the number that this worker has had since.
          if asked != number.load(ordering: .relaxed) { answer.isKnown = true }
          event = .heartbeatAnswered(answer)
        case .registered(let fresh):
          isRegistering = false
          if let fresh {
            number.store(fresh, ordering: .relaxed)
            told.withLock { $0 = [:] }
            news(.registered(worker: fresh))
          }
          continue
        }
        if case .drain = event { news(.draining) }
        if case .ended(let lease) = event {
          known[lease] = nil
          controls.withLock { $0[lease] = nil }
        }
        for action in core.withLock({ $0.handle(event, now: .now) }) {
          if action == .stop { break loop }
          if case .start(let lease) = action, let stage = known[lease] {
            start(stage, store, inbox, in: &group)
          } else if action == .register {
            guard !isRegistering else { continue }
            isRegistering = true
            group.addTask { inbox.yield(.registered(await self.registerAgain(store))) }
          } else {
            perform(action, store, inbox, in: &group)
          }
        }
      }
      group.cancelAll()
    }
    try? await queue.retire(worker: number.load(ordering: .relaxed))
    logger.info("worker stopped")
  }

  struct WrongKernels: Error, CustomStringConvertible {
    let error: Double
    var description: String {
      "this machine's BLAS multiplies wrongly (relative error \(error)); "
        + "try another OpenBLAS, or OPENBLAS_CORETYPE=Haswell"
    }
  }

  // MARK: - Actions

  private func start(
    _ stage: ClaimedStage, _ store: CheckpointStore, _ inbox: AsyncStream<Message>.Continuation,
    in group: inout TaskGroup<Void>
  ) {
    // The hold follows at once, with the time at which the claim was sent.
    let control = StageControl(holdsUntil: .now, threads: 1)
    controls.withLock { $0[stage.lease] = control }
    var logger = logger
    logger[metadataKey: "stage"] = "\(stage.lease.stage)"
    logger[metadataKey: "attempt"] = "\(stage.lease.attempt)"
    logger.info(
      "stage claimed",
      metadata: [
        "run": "\(stage.runs.first ?? "")", "runs": "\(stage.runs.count)",
        "from": "\(stage.resume?.samples ?? stage.start)", "to": "\(stage.end)",
      ])
    let runner = StageRunner(
      claimed: stage, control: control, queue: queue, store: store, shelf: shelf, settings: options,
      fingerprint: fingerprint, logger: logger, news: news,
      lacks: { digest in self.datasets.withLock { $0?.present.removeAll { $0 == digest } } },
      finish: { try await self.finish(stage.lease, $0, $1, $2, store) })
    group.addTask {
      await runner.run()
      inbox.yield(.event(.ended(stage.lease)))
      if let claimed = self.claimedWith.withLock({ $0.removeValue(forKey: stage.lease) }) {
        inbox.yield(claimed)
      }
    }
  }

  /// Finishes a stage, and where the worker goes on claims in the same transaction.
  private func finish(
    _ lease: Lease, _ checkpoint: JSON, _ measurements: [JSON], _ totals: JSON,
    _ store: CheckpointStore
  ) async throws -> Bool {
    let datasets = (try? store.check()) == nil ? nil : freshDatasets
    let slots = datasets == nil ? 0 : core.withLock { $0.slotsToClaim(finishing: lease) }
    guard let datasets, slots > 0 else {
      return try await queue.finish(
        lease, checkpoint: checkpoint, measurements: measurements, totals: totals)
    }
    var outcome = Message.event(.finishClaimedNothing)
    defer { claimedWith.withLock { $0[lease] = outcome } }
    let sent = ContinuousClock.now
    let (isOurs, claimed) = try await queue.finish(
      lease, checkpoint: checkpoint, measurements: measurements, totals: totals,
      claiming: request(slots, datasets, store), for: settings.lease)
    switch claimed {
    case .success(let stages): if !stages.isEmpty { outcome = .claimed(stages, sent: sent) }
    case .failure(let error):
      logger.warning("a stage was finished by itself", metadata: ["error": "\(error)"])
    }
    return isOurs
  }

  /// Data sets that are here and were wanted not long ago.
  private var freshDatasets: [String]? {
    let asked = datasets.withLock { $0 }
    return asked.flatMap {
      ContinuousClock.now - $0.at < WorkerService.datasetsStayWanted ? $0.present : nil
    }
  }

  private func perform(
    _ action: WorkerCore.Action, _ store: CheckpointStore,
    _ inbox: AsyncStream<Message>.Continuation, in group: inout TaskGroup<Void>
  ) {
    func control(_ lease: Lease) -> StageControl? { controls.withLock { $0[lease] } }
    switch action {
    case .hold(let lease, let until): control(lease)?.hold(until: until)
    case .abandon(let lease): control(lease)?.command(.abandon)
    case .drain(let lease): control(lease)?.command(.drain)
    case .allot(let lease, let threads): control(lease)?.allot(threads)
    case .claim(let slots): group.addTask { await self.claim(slots, store, inbox) }
    case .heartbeat(let leases, let idle):
      let held = leases.map { Held(lease: $0, totals: control($0)?.totals ?? [:]) }
      group.addTask { await self.beat(held, idle: idle, inbox) }
    case .askWhetherEmpty:
      group.addTask {
        let state = try? await self.queue.state(grid: self.options.grid)
        inbox.yield(.event(.queueIsEmpty(state?.isEmpty ?? false)))
      }
    case .start, .register, .stop: break
    }
  }

  private func claim(
    _ slots: Int, _ store: CheckpointStore, _ inbox: AsyncStream<Message>.Continuation
  ) async {
    let sent = ContinuousClock.now
    do {
      // Without its store a worker can neither resume nor check in.
      try store.check()
      let fresh = freshDatasets
      var stages: [ClaimedStage] = []
      if let fresh {
        stages = try await queue.claim(request(slots, fresh, store), lease: settings.lease)
      }
      // Something may be wanted since that was not before.
      if stages.isEmpty {
        let (present, missing) = await shelf.survey(try await queue.datasetsWanted())
        datasets.withLock { $0 = (present, sent) }
        if told.withLock({ $0 }) != missing {
          try await queue.noteMissingData(worker: number.load(ordering: .relaxed), missing)
          told.withLock { $0 = missing }
        }
        if present != fresh {
          stages = try await queue.claim(request(slots, present, store), lease: settings.lease)
        }
      }
      inbox.yield(.claimed(stages, sent: sent))
    } catch {
      logger.warning("claiming failed", metadata: ["error": "\(error)"])
      inbox.yield(.event(.claimFailed))
    }
  }

  private func request(
    _ slots: Int, _ datasets: [String], _ store: CheckpointStore
  ) -> JobQueue.Claim {
    JobQueue.Claim(
      worker: number.load(ordering: .relaxed), slots: slots, datasets: datasets, stores: [store.id],
      memory: availableMemory() / slots, grid: options.grid, threads: options.threads,
      fingerprint: fingerprint)
  }

  private func beat(
    _ held: [Held], idle: Bool, _ inbox: AsyncStream<Message>.Continuation
  ) async {
    let worker = number.load(ordering: .relaxed)
    let sent = ContinuousClock.now
    do {
      let (isKnown, verdicts, idleWorkers) = try await heartbeatQueue.heartbeat(
        worker: worker, held: held, idle: idle, lease: settings.lease, timeout: .seconds(3))
      news(.heartbeatConfirmed)
      let judged = Dictionary(verdicts, uniquingKeysWith: { first, _ in first })
      inbox.yield(
        .answered(
          .init(verdicts: judged, isKnown: isKnown, idleWorkers: idleWorkers, sent: sent),
          of: worker))
    } catch {
      logger.warning("a heartbeat was not answered", metadata: ["error": "\(error)"])
      inbox.yield(.event(.heartbeatFailed))
    }
  }

  private func tick(_ inbox: AsyncStream<Message>.Continuation) async {
    while !Task.isCancelled {
      inbox.yield(.event(.tick))
      try? await Task.sleep(for: .milliseconds(200))
    }
  }

  /// Notifications wake an idle worker at once; where listening fails, polling finds the work.
  private func listen(_ inbox: AsyncStream<Message>.Continuation) async {
    while !Task.isCancelled {
      do {
        let connection = try await Connection.open(target)
        try await connection.listen("jobctl_ready")
        while !Task.isCancelled {
          if try await connection.waitForNotification(.milliseconds(500)) {
            inbox.yield(.event(.poke))
          }
        }
      } catch {
        try? await Task.sleep(for: .seconds(2))
      }
    }
  }

  // MARK: - Who and where

  private func register(_ store: CheckpointStore) async throws -> Int {
    try await queue.register(
      worker: [
        "name": .string("\(hostName):\(getpid())"), "host": .string(hostName),
        "pid": .integer(Int(getpid())), "version": .string(options.version),
        "numerics_version": .integer(numericsVersion), "fingerprint": .string(fingerprint),
        "slots": .integer(options.slots), "threads": .integer(options.threads),
        "stores": [.string(store.id)],
      ], patience: .upTo(.seconds(60)))
  }

  /// Retired by somebody, deleted, or unknown to a database that was restored. The leases that it holds
  /// are judged by themselves.
  private func registerAgain(_ store: CheckpointStore) async -> Int? {
    logger.warning("the queue does not know this worker; it registers again")
    do {
      try await queue.register(store: store.id, path: store.path, host: hostName)
      return try await register(store)
    } catch {
      logger.error("the worker could not register again", metadata: ["error": "\(error)"])
      return nil
    }
  }

  private var hostName: String { ProcessInfo.processInfo.hostName }

  private func availableMemory() -> Int {
    let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    // Unknown: no claim is held back for it.
    return kilobytes.map { $0 * 1024 } ?? .max
  }
}
