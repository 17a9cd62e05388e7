import Checkpoints
import Foundation
import Host
import JobQueue
import Logging
import Postgres
import Synchronization
import Tensors
import Training
import Values

/// The worker daemon: carries out what `WorkerCore` decides.
package final class WorkerService: Sendable {
  private let options: WorkerOptions
  private let queue: JobQueue
  /// A connection of its own, so that no slow write delays a heartbeat.
  private let heartbeatQueue: JobQueue
  private let target: ConnectionTarget
  private let logger: Logger
  private let news: @Sendable (WorkerNews) -> Void
  private let shelf: DatasetShelf
  /// By their names.
  private let backends: [String: any TrainingBackend]
  private let fingerprint = numericsFingerprint
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
  private let claimedWith = Mutex<[Lease: Inbox.Message]>([:])
  private let drainRequest = DrainRequest()
  /// Stages that another version of jobctl planned: they are not claimed again.
  private let unreadable = Mutex<[Int]>([])

  /// Stages whose data could not be read here, and until when this worker does not claim them again: their
  /// data set may be here under another description.
  private let setAside = Mutex<[Int: ContinuousClock.Instant]>([:])

  /// So many stages that cannot be read are left out of claims; others are held back for a while.
  private static let mostUnreadable = 1000

  /// What is wanted is looked for anew after this long, or when there is nothing else to claim.
  private static let datasetsStayWanted = Duration.seconds(30)

  package init(
    _ options: WorkerOptions, target: ConnectionTarget, settings: WorkerCore.Settings? = nil,
    backends others: [any TrainingBackend] = [], logger: Logger,
    news: @escaping @Sendable (WorkerNews) -> Void
  ) {
    self.options = options
    self.target = target
    self.logger = logger
    self.news = news
    let queue = JobQueue(Database(target, logger: logger))
    self.queue = queue
    heartbeatQueue = JobQueue(Database(target, logger: logger))
    shelf = DatasetShelf(folders: options.dataFolders, logger: logger)
    let native = NativeBackend(shelf: shelf, threads: options.threads, slots: options.slots)
    let external = options.trainers.map { trainers in
      ExternalBackend(
        options: trainers, folders: options.dataFolders, logs: options.checkpoints + "/logs",
        code: { try await queue.code($0) }, logger: logger)
    }
    backends = Dictionary(
      ([native] + others + (external.map { [$0] } ?? [])).map { ($0.name, $0) },
      uniquingKeysWith: { first, _ in first })
    var settings = settings ?? WorkerCore.Settings(slots: options.slots, threads: options.threads)
    settings.untilEmpty = options.untilEmpty
    self.settings = settings
    core = Mutex(WorkerCore(settings, now: .now))
  }

  /// Asks the worker to give its stages back and to end, whatever it does now.
  package func drain() { drainRequest.make() }

  /// Claims, trains and renews until the worker is asked to drain, its task is cancelled or, where it
  /// was asked to stop then, the queue is empty.
  package func run() async throws {
    // The loop, heartbeats and claims have a thread of their own: neither the health server nor
    // anything else in the process keeps them from it.
    try await withTaskExecutorPreference(ThreadExecutor(label: "worker")) { try await serve() }
  }

  private func serve() async throws {
    let error = await blocking("checking the kernels") { BLAS.selfCheck() }
    // Relative to the size of the sums; single precision leaves about 1e-6 at these lengths.
    guard error < 1e-5 else { throw WrongKernels(error: error) }
    let (store, others) = try await openStore(
      options.checkpoints, of: queue, for: .training, patience: .upTo(.seconds(60)))
    try await register(folder: store)
    let first = try await register(store)
    number.store(first, ordering: .relaxed)
    news(.registered(worker: first))
    logger.info(
      "worker started",
      metadata: [
        "worker": "\(first)", "slots": "\(options.slots)",
        "threads": "\(options.threads)", "kernels": "\(fingerprint)", "store": "\(store.path)",
      ])
    for other in others {
      logger.warning(
        "stages that go on from checkpoints of another store wait for a worker that has it",
        metadata: [
          "store": "\(other.id)", "path": "\(other.path)", "host": "\(other.host)",
          "checkpoints": "\(other.checkpoints)",
        ])
    }
    let inbox = Inbox(slots: settings.slots)
    // A group that forgets children as they end: a worker has millions of them in a year.
    await withDiscardingTaskGroup { group in
      group.addTask { await self.tick(inbox) }
      group.addTask { await self.listen(inbox) }
      group.addTask {
        await self.drainRequest.wait()
        inbox.send(.event(.drain))
      }
      await loop(store, inbox, in: &group)
      group.cancelAll()
    }
    // Where the queue does not hear it, it notices the silence.
    try? await queue.retire(worker: number.load(ordering: .relaxed))
    logger.info("worker stopped")
  }

  /// Takes messages until the core says to stop.
  private func loop(
    _ store: any CheckpointStore, _ inbox: Inbox, in group: inout DiscardingTaskGroup
  ) async {
    var known: [Lease: ClaimedStage] = [:]
    var isRegistering = false
    for await message in inbox.messages {
      inbox.took(message)
      var event: WorkerCore.Event
      switch message {
      case .event(let plain): event = plain
      case .claimed(let claims, let sent):
        for stage in claims.stages { known[stage.lease] = stage }
        event = .claimed(claims.stages.map(\.lease), sent: sent)
        if !claims.unreadable.isEmpty {
          group.addTask { await self.giveBack(claims.unreadable) }
        }
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
        if action == .stop { return }
        if case .start(let lease) = action, let stage = known[lease] {
          start(stage, store, inbox, in: &group)
        } else if action == .register {
          guard !isRegistering else { continue }
          isRegistering = true
          group.addTask { inbox.send(.registered(await self.registerAgain(store))) }
        } else {
          perform(action, store, inbox, in: &group)
        }
      }
    }
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
    _ stage: ClaimedStage, _ store: any CheckpointStore, _ inbox: Inbox,
    in group: inout DiscardingTaskGroup
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
    let attempt = Attempt(
      claimed: stage, backend: backends[stage.backend], control: control, queue: queue,
      store: store,
      checkpointEvery: options.checkpointEvery, fingerprint: fingerprint, logger: logger,
      news: news,
      lacks: { digest in
        self.datasets.withLock { $0?.present.removeAll { $0 == digest } }
        self.setAside.withLock { $0[stage.lease.stage] = .now + DatasetShelf.refusalLasts }
      },
      cannotRead: self.excludes,
      finish: { try await self.finish(stage.lease, $0, $1, $2, store) })
    group.addTask {
      await attempt.run()
      inbox.send(.event(.ended(stage.lease)))
      if let claimed = self.claimedWith.withLock({ $0.removeValue(forKey: stage.lease) }) {
        inbox.send(claimed)
      }
    }
  }

  /// Claims nothing more of a stage that this version cannot read. Gives how long the queue is to hold the
  /// stage back: where the list is full, this worker would claim it again at once.
  private func excludes(_ stage: Int) -> Duration? {
    unreadable.withLock { stages in
      guard stages.count < WorkerService.mostUnreadable else { return .seconds(60) }
      stages.append(stage)
      return nil
    }
  }

  /// Gives stages of another version back to the queue.
  private func giveBack(_ stages: [(lease: Lease, reason: UnreadableRow)]) async {
    for (lease, reason) in stages {
      let delay = excludes(lease.stage)
      logger.warning("a stage cannot be read", metadata: ["reason": "\(reason)"])
      do {
        _ = try await queue.release(
          lease, reason: "\(reason)", delay: delay, progress: ProgressRow())
      } catch {
        // Heartbeats do not name it: the queue takes it back after a lease.
        logger.warning("a stage could not be given back", metadata: ["error": "\(error)"])
      }
    }
  }

  /// Finishes a stage, and where the worker goes on claims in the same transaction.
  private func finish(
    _ lease: Lease, _ checkpoint: CheckpointRow, _ measurements: [MeasurementRow],
    _ progress: ProgressRow, _ store: any CheckpointStore
  ) async throws -> Bool {
    let datasets = await isPresent(store) ? freshDatasets : nil
    let slots = datasets == nil ? 0 : core.withLock { $0.slotsToClaim(finishing: lease) }
    guard let datasets, slots > 0 else {
      return try await queue.finish(
        lease, checkpoint: checkpoint, measurements: measurements, progress: progress)
    }
    var outcome = Inbox.Message.event(.finishClaimedNothing)
    defer { claimedWith.withLock { $0[lease] = outcome } }
    let sent = ContinuousClock.now
    let (isOurs, claimed) = try await queue.finish(
      lease, checkpoint: checkpoint, measurements: measurements, progress: progress,
      claiming: request(slots, datasets, store), for: settings.lease)
    switch claimed {
    case .success(let claims):
      if !claims.stages.isEmpty || !claims.unreadable.isEmpty {
        outcome = .claimed(claims, sent: sent)
      }
    case .failure(let error):
      logger.warning("a claim with a finish came to nothing", metadata: ["error": "\(error)"])
    }
    return isOurs
  }

  private func isPresent(_ store: any CheckpointStore) async -> Bool {
    await blocking("looking for the store") {
      // Why it is away is said by the claim that comes next.
      (try? store.check()) != nil
    }
  }

  /// Data sets that are here and were wanted not long ago.
  private var freshDatasets: [String]? {
    let asked = datasets.withLock { $0 }
    return asked.flatMap {
      ContinuousClock.now - $0.at < WorkerService.datasetsStayWanted ? $0.present : nil
    }
  }

  private func perform(
    _ action: WorkerCore.Action, _ store: any CheckpointStore,
    _ inbox: Inbox, in group: inout DiscardingTaskGroup
  ) {
    func control(_ lease: Lease) -> StageControl? { controls.withLock { $0[lease] } }
    switch action {
    case .hold(let lease, let until): control(lease)?.hold(until: until)
    case .abandon(let lease): control(lease)?.command(.abandon)
    case .drain(let lease): control(lease)?.command(.drain)
    case .allot(let lease, let threads): control(lease)?.allot(threads)
    case .claim(let slots): group.addTask { await self.claim(slots, store, inbox) }
    case .heartbeat(let leases, let idle):
      let held = leases.map { HeldStage($0, control($0)?.row ?? ProgressRow()) }
      group.addTask { await self.beat(held, idle: idle, inbox) }
    case .askWhetherEmpty:
      group.addTask {
        // Not known is not empty: the worker asks again.
        let state = try? await self.queue.state(grid: self.options.grid)
        inbox.send(.event(.queueIsEmpty(state?.isEmpty ?? false)))
      }
    case .start, .register, .stop: break
    }
  }

  private func claim(
    _ slots: Int, _ store: any CheckpointStore, _ inbox: Inbox
  ) async {
    let sent = ContinuousClock.now
    do {
      // Without its store a worker can neither resume nor check in.
      try await blocking("looking for the store") { () throws(CheckpointError) in
        try store.check()
      }
      let fresh = freshDatasets
      var claims = Claims()
      if let fresh {
        claims = try await queue.claim(request(slots, fresh, store), lease: settings.lease)
      }
      // Something may be wanted since that was not before.
      if claims.stages.isEmpty, claims.unreadable.isEmpty {
        let (present, missing) = await shelf.survey(try await queue.datasetsWanted())
        datasets.withLock { $0 = (present, sent) }
        if told.withLock({ $0 }) != missing {
          try await queue.noteMissingData(worker: number.load(ordering: .relaxed), missing)
          told.withLock { $0 = missing }
        }
        if present != fresh {
          claims = try await queue.claim(request(slots, present, store), lease: settings.lease)
        }
      }
      inbox.send(.claimed(claims, sent: sent))
    } catch {
      logger.warning("claiming failed", metadata: ["error": "\(error)"])
      inbox.send(.event(.claimFailed))
    }
  }

  private func request(
    _ slots: Int, _ datasets: [String], _ store: any CheckpointStore
  ) -> ClaimRequest {
    var request = ClaimRequest(
      worker: number.load(ordering: .relaxed), slots: slots, datasets: datasets, stores: [store.id],
      memory: availableMemory() / slots, grid: options.grid, threads: options.threads,
      fingerprint: fingerprint, backends: backends.values.map(\.versioned).sorted())
    request.excludedStages =
      unreadable.withLock { $0 }
      + setAside.withLock { stages in
        stages = stages.filter { $0.value > .now }
        return Array(stages.keys)
      }
    return request
  }

  private func beat(
    _ held: [HeldStage], idle: Bool, _ inbox: Inbox
  ) async {
    let worker = number.load(ordering: .relaxed)
    let sent = ContinuousClock.now
    do {
      let answer = try await heartbeatQueue.heartbeat(
        worker: worker, held: held, idle: idle, lease: settings.lease, timeout: .seconds(3))
      news(.heartbeatConfirmed)
      let judged = Dictionary(answer.verdicts, uniquingKeysWith: { first, _ in first })
      inbox.send(
        .answered(
          .init(
            verdicts: judged, isKnown: answer.isKnown, idleWorkers: answer.idleWorkers, sent: sent),
          of: worker))
    } catch {
      logger.warning("a heartbeat was not answered", metadata: ["error": "\(error)"])
      inbox.send(.event(.heartbeatFailed))
    }
  }

  private func tick(_ inbox: Inbox) async {
    while !Task.isCancelled {
      inbox.tick()
      try? await Task.sleep(for: .milliseconds(200))
    }
  }

  /// Notifications wake an idle worker at once; where listening fails, polling finds the work.
  private func listen(_ inbox: Inbox) async {
    while !Task.isCancelled {
      do {
        let connection = try await Connection.open(target)
        try await connection.listen("jobctl_ready")
        while !Task.isCancelled {
          if try await connection.waitForNotification(.milliseconds(500)) {
            inbox.poke()
          }
        }
      } catch {
        try? await Task.sleep(for: .seconds(2))
      }
    }
  }

  // MARK: - Who and where

  private func register(folder store: any CheckpointStore) async throws {
    try await queue.register(store: store.id, path: absolutePath(store.path), host: hostName)
  }

  private func register(_ store: any CheckpointStore) async throws -> Int {
    try await queue.register(
      worker: WorkerRow(
        name: "\(hostName):\(getpid())", host: hostName, pid: Int(getpid()),
        version: options.version, fingerprint: fingerprint, slots: options.slots,
        threads: options.threads, stores: [store.id]),
      patience: .upTo(.seconds(60)))
  }

  /// Retired by somebody, deleted, or unknown to a database that was restored. The leases that it holds
  /// are judged by themselves.
  private func registerAgain(_ store: any CheckpointStore) async -> Int? {
    logger.warning("the queue does not know this worker; it registers again")
    do {
      try await register(folder: store)
      return try await register(store)
    } catch {
      logger.error("the worker could not register again", metadata: ["error": "\(error)"])
      return nil
    }
  }

  private func availableMemory() -> Int {
    let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    // Unknown: no claim is held back for it.
    return kilobytes.map { $0 * 1024 } ?? .max
  }
}
