import JobQueue

/// What a worker decides, as a pure state machine: events in, actions out. It knows no clock, no
/// database and no thread; the service around it does what it says and tells it what came of it.
package struct WorkerCore: Sendable {
  package typealias Instant = ContinuousClock.Instant

  package struct Settings: Sendable {
    /// Stages trained side by side.
    package var slots: Int
    /// Cores to share among them.
    package var threads: Int
    package var untilEmpty = false
    /// How long a claim holds without a heartbeat.
    package var lease = JobQueue.lease
    /// Three in a lease: two may be lost.
    package var heartbeat = Duration.seconds(3)
    package var idleHeartbeat = Duration.seconds(30)
    /// The worker stops writing this long before others may take its stages.
    package var margin = Duration.seconds(2)
    /// How often an idle worker looks for work where no notification comes.
    package var poll = Duration.seconds(2)

    package init(slots: Int, threads: Int) {
      self.slots = slots
      self.threads = threads
    }
  }

  /// What the queue says to a heartbeat that was sent then.
  package struct HeartbeatAnswer: Sendable {
    package var verdicts: [Lease: JobQueue.Verdict]
    /// Whether the queue knows the worker.
    package var isKnown: Bool
    /// How many workers idle, where this one does.
    package var idleWorkers: Int?
    package var sent: Instant

    package init(
      verdicts: [Lease: JobQueue.Verdict], isKnown: Bool, idleWorkers: Int? = nil, sent: Instant
    ) {
      self.verdicts = verdicts
      self.isKnown = isKnown
      self.idleWorkers = idleWorkers
      self.sent = sent
    }
  }

  package enum Event: Sendable {
    case tick
    /// Work may have become ready.
    case poke
    /// The answer to a claim that was sent then.
    case claimed([Lease], sent: Instant)
    case claimFailed
    /// A finish that was to claim (`slotsToClaim`) found nothing, or did not; a claim by itself may find
    /// something, with data sets that are wanted only now.
    case finishClaimedNothing
    case heartbeatAnswered(HeartbeatAnswer)
    case heartbeatFailed
    /// Training of a stage has ended and the queue knows it, or has refused to.
    case ended(Lease)
    case queueIsEmpty(Bool)
    case drain
  }

  package enum Action: Sendable, Equatable {
    case claim(slots: Int)
    case heartbeat([Lease], idle: Bool)
    case start(Lease)
    /// The stage may be written for until then.
    case hold(Lease, until: Instant)
    /// Stop at once; the stage is somebody else's, or nobody's.
    case abandon(Lease)
    /// Hand over a checkpoint and stop: the worker ends, or the stage is paused.
    case drain(Lease)
    case allot(Lease, threads: Int)
    case askWhetherEmpty
    case register
    case stop
  }

  package let settings: Settings
  package private(set) var held: [Lease] = []
  private var isDraining = false
  private var isClaiming = false
  private var isBeating = false
  private var isAsking = false
  private var hasStopped = false
  private var nextClaim: Instant
  private var nextHeartbeat: Instant
  private var poll: Duration
  /// A number in [0, 1) for each decision that is better not taken by all workers at once.
  private var jitter: @Sendable () -> Double

  package init(
    _ settings: Settings, now: Instant,
    jitter: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
  ) {
    self.settings = settings
    self.jitter = jitter
    nextClaim = now
    nextHeartbeat = now + settings.idleHeartbeat
    poll = settings.poll
  }

  package mutating func handle(_ event: Event, now: Instant) -> [Action] {
    guard !hasStopped else { return [] }
    var actions: [Action] = []
    switch event {
    case .tick: break
    case .poke: nextClaim = min(nextClaim, now)
    case .claimed(let leases, let sent): actions += claimed(leases, sent: sent, now: now)
    case .claimFailed:
      isClaiming = false
      nextClaim = now + spread(poll)
    case .finishClaimedNothing:
      isClaiming = false
      nextClaim = now
    case .heartbeatAnswered(let answer):
      isBeating = false
      // All idle workers together look for work some five times a second at most.
      poll = max(settings.poll, .milliseconds(200) * (answer.idleWorkers ?? 0))
      actions += judged(answer.verdicts, sent: answer.sent)
      if !answer.isKnown { actions.append(.register) }
    case .heartbeatFailed:
      isBeating = false
      nextHeartbeat = now + .seconds(1)
    case .ended(let lease):
      held.removeAll { $0 == lease }
      nextClaim = now
      actions += allotments()
    case .queueIsEmpty(let isEmpty):
      isAsking = false
      if isEmpty, held.isEmpty, !isClaiming { isDraining = true }
    case .drain:
      if !isDraining {
        isDraining = true
        actions += held.map(Action.drain)
      }
    }
    return actions + due(now)
  }

  /// How many stages to claim in the transaction that finishes one: for its slot and the free slots. If the
  /// number is not 0, the service sends another event after `ended`: `claimed`, or `finishClaimedNothing`.
  package mutating func slotsToClaim(finishing lease: Lease) -> Int {
    guard !isDraining, !isClaiming, held.contains(lease) else { return 0 }
    isClaiming = true
    return settings.slots - held.count + 1
  }

  private mutating func claimed(_ leases: [Lease], sent: Instant, now: Instant) -> [Action] {
    isClaiming = false
    var actions: [Action] = []
    let wanted = settings.slots - held.count
    for lease in leases {
      held.append(lease)
      actions += [.start(lease), .hold(lease, until: fence(sent))]
      // Claimed while draining: give it back untouched.
      if isDraining { actions.append(.drain(lease)) }
    }
    if !leases.isEmpty { nextHeartbeat = min(nextHeartbeat, now + settings.heartbeat) }
    nextClaim = leases.count < wanted ? now + spread(poll) : now
    if leases.isEmpty, held.isEmpty, settings.untilEmpty, !isAsking {
      isAsking = true
      actions.append(.askWhetherEmpty)
    }
    return actions + allotments()
  }

  private func judged(_ verdicts: [Lease: JobQueue.Verdict], sent: Instant) -> [Action] {
    held.flatMap { lease -> [Action] in
      switch verdicts[lease] {
      case .hold: [.hold(lease, until: fence(sent))]
      case .paused: [.hold(lease, until: fence(sent)), .drain(lease)]
      case .lost, .cancelled: [.abandon(lease)]
      case nil: []
      }
    }
  }

  private func fence(_ sent: Instant) -> Instant { sent + settings.lease - settings.margin }

  /// What is due now, whatever has happened.
  private mutating func due(_ now: Instant) -> [Action] {
    var actions: [Action] = []
    if isDraining {
      if held.isEmpty, !isClaiming {
        hasStopped = true
        return [.stop]
      }
    } else if held.count < settings.slots, !isClaiming, now >= nextClaim {
      isClaiming = true
      actions.append(.claim(slots: settings.slots - held.count))
    }
    if !isBeating, now >= nextHeartbeat {
      isBeating = true
      nextHeartbeat = now + (held.isEmpty ? settings.idleHeartbeat : settings.heartbeat)
      actions.append(.heartbeat(held, idle: held.count < settings.slots))
    }
    return actions
  }

  /// Cores are shared evenly; what is left over goes to the first stages.
  private func allotments() -> [Action] {
    held.enumerated().map { index, lease in
      let extra = index < settings.threads % held.count ? 1 : 0
      return .allot(lease, threads: max(1, settings.threads / held.count + extra))
    }
  }

  private func spread(_ duration: Duration) -> Duration { duration * (0.75 + 0.5 * jitter()) }
}
