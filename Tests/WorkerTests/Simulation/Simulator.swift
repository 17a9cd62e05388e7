import JobQueue
import Values
import Worker

/// Many workers, driven by the very core that drives real ones, against a model of the queue: on one
/// clock, from one seed, through crashes, stalls, lost and repeated messages, outages of the database,
/// and users who change their minds. Whatever a seed does it does again.
struct Simulator {
  /// What happens, to the queue's own log: the same can be put to a server.
  private(set) var log: [(at: Int, event: QueueEvent, reply: QueueReply)] = []
  private(set) var properties = QueueProperties()
  private(set) var queue = QueueModel()
  private(set) var faults: [String: Int] = [:]
  private var random: SeededRandom
  private var now = 0
  private var isCalm = false

  private var agenda: [Entry] = []
  private var sequence = 0
  private var processes: [Process] = []
  private var downUntil = 0
  private let origin = ContinuousClock.now

  private var spoiled: Set<Int> = []

  private struct Entry {
    var at: Int
    var order: Int
    var task: Task
  }

  private enum Task {
    case tick(process: Int)
    case train(process: Int, Lease)
    /// A request arrives at the queue.
    case request(process: Int, QueueEvent, sent: Int)
    case answer(process: Int, QueueEvent, QueueReply?, sent: Int)
    case start
    case wake(process: Int)
    case user
    case fault
  }

  /// One life of a worker.
  private struct Process {
    var worker: Int
    var core: WorkerCore
    var isAlive = true
    var stalledUntil = 0
    var missed: [Task] = []
    var stages: [Lease: Training] = [:]
  }

  private struct Training {
    var samples: Int
    var end: Int
    var holdUntil = 0
    var command = Command.train
    /// Something has been sent that ends the attempt.
    var isEnding = false
    /// It was finished with a claim, of which nothing was heard.
    var hasAsked = false
    enum Command { case train, drain, abandon }
  }

  init(seed: Int) {
    random = SeededRandom(seed: seed)
  }

  /// Minutes of troubled time, then calm until all is over.
  mutating func run(minutes: Int = 6, workers: Int = 5) {
    for index in 0..<random.number(1...3) { submit("grid\(index)") }
    for _ in 0..<workers { schedule(in: random.number(0...3000), .start) }
    schedule(in: 5000, .user)
    schedule(in: 3000, .fault)
    while now < minutes * 60_000, step() {}
    calmDown()
    let limit = now + 60 * 60_000
    while now < limit, queue.hasWork, step() {}
    if queue.hasWork { properties.violate("work was left after an hour of calm") }
    properties.checkCounters(queue)
  }

  private mutating func calmDown() {
    isCalm = true
    downUntil = 0
    spoiled = []
    tell(.pause(grid: nil, false))
    for grid in queue.grids.keys.sorted() { tell(.pause(grid: grid, false)) }
    if !processes.contains(where: \.isAlive) { schedule(in: 100, .start) }
  }

  // MARK: - Time

  private mutating func schedule(in delay: Int, _ task: Task) {
    sequence += 1
    agenda.append(Entry(at: now + delay, order: sequence, task: task))
  }

  private mutating func step() -> Bool {
    guard
      let next = agenda.indices.min(by: {
        (agenda[$0].at, agenda[$0].order) < (agenda[$1].at, agenda[$1].order)
      })
    else { return false }
    let entry = agenda.remove(at: next)
    now = max(now, entry.at)
    perform(entry.task)
    return true
  }

  private var instant: ContinuousClock.Instant { origin + .milliseconds(now) }

  private func milliseconds(_ instant: ContinuousClock.Instant) -> Int {
    Int((instant - origin) / .milliseconds(1))
  }

  // MARK: - What happens

  private mutating func perform(_ task: Task) {
    switch task {
    case .start: startProcess()
    case .user: actAsUser()
    case .fault: doHarm()
    case .request(let process, let event, let sent): arrive(process, event, sent)
    case .tick(let process), .train(let process, _), .wake(let process),
      .answer(let process, _, _, _):
      guard processes[process].isAlive else { return }
      if processes[process].stalledUntil > now {
        processes[process].missed.append(task)
        return
      }
      switch task {
      case .tick:
        schedule(in: 200, .tick(process: process))
        handle(.tick, process)
      case .train(_, let lease): train(process, lease)
      case .answer(_, let event, let reply, let sent): hear(process, event, reply, sent)
      case .wake:
        let missed = processes[process].missed
        processes[process].missed = []
        for task in missed { perform(task) }
      default: break
      }
    }
  }

  private mutating func startProcess() {
    let worker = processes.count
    var settings = WorkerCore.Settings(slots: random.number(1...3), threads: 2)
    settings.untilEmpty = false
    processes.append(Process(worker: worker, core: WorkerCore(settings, now: instant) { 0.5 }))
    tell(.registerWorker(worker))
    schedule(in: random.number(0...200), .tick(process: worker))
  }

  private mutating func handle(_ event: WorkerCore.Event, _ process: Int) {
    var core = processes[process].core
    let actions = core.handle(event, now: instant)
    processes[process].core = core
    for action in actions { obey(action, process) }
  }

  private mutating func obey(_ action: WorkerCore.Action, _ process: Int) {
    let worker = processes[process].worker
    switch action {
    case .claim(let slots): send(process, .claim(worker: worker, slots: slots))
    case .heartbeat(let held, _): send(process, .heartbeat(worker: worker, held: held))
    case .start: break  // Begun when the claim's answer came.
    case .hold(let lease, let until):
      let held = milliseconds(until)
      processes[process].stages[lease]?.holdUntil = held
    case .abandon(let lease): processes[process].stages[lease]?.command = .abandon
    case .drain(let lease):
      if processes[process].stages[lease]?.command == .train {
        processes[process].stages[lease]?.command = .drain
      }
    case .allot, .askWhetherEmpty, .register: break
    case .stop: processes[process].isAlive = false
    }
  }

  // MARK: - Messages

  private mutating func send(_ process: Int, _ event: QueueEvent) {
    if random.happens(isCalm ? 0 : 0.02) {
      count("lost request")
      schedule(in: 3000, .answer(process: process, event, nil, sent: now))
      return
    }
    schedule(in: random.number(1...40), .request(process: process, event, sent: now))
    // A network may deliver twice what was sent once; statements are sent again after an error.
    if random.happens(isCalm ? 0 : 0.02), event.mayBeRepeated {
      count("repeated request")
      schedule(in: random.number(40...4000), .request(process: process, event, sent: -1))
    }
  }

  private mutating func arrive(_ process: Int, _ event: QueueEvent, _ sent: Int) {
    guard now >= downUntil else {
      if sent >= 0 { schedule(in: 200, .answer(process: process, event, nil, sent: sent)) }
      return
    }
    let reply = tell(event)
    guard sent >= 0 else { return }
    if random.happens(isCalm ? 0 : 0.03) {
      count("lost reply")
      schedule(in: 3000, .answer(process: process, event, nil, sent: sent))
    } else {
      schedule(in: random.number(1...40), .answer(process: process, event, reply, sent: sent))
    }
  }

  private mutating func hear(
    _ process: Int, _ event: QueueEvent, _ reply: QueueReply?, _ sent: Int
  ) {
    let when = origin + .milliseconds(sent)
    switch (event, reply) {
    case (.claim, .claimed(let claims)):
      for claim in claims { begin(process, claim) }
      handle(.claimed(claims.map(\.lease), sent: when), process)
    case (.claim, _): handle(.claimFailed, process)
    case (.finishAndClaim(let lease, _, _), .finished(_, let claims)):
      processes[process].stages[lease] = nil
      handle(.ended(lease), process)
      for claim in claims { begin(process, claim) }
      handle(
        claims.isEmpty ? .finishClaimedNothing : .claimed(claims.map(\.lease), sent: when), process)
    case (.finishAndClaim(let lease, _, _), _):
      processes[process].stages[lease]?.hasAsked = true
      send(process, .finish(lease))
    case (.heartbeat, .judged(let verdicts)):
      handle(.heartbeatAnswered(.init(verdicts: verdicts, isKnown: true, sent: when)), process)
    case (.heartbeat, _): handle(.heartbeatFailed, process)
    case (.register(let lease, _), .accepted(let isOurs)):
      if !isOurs { processes[process].stages[lease]?.command = .abandon }
    case (.register, _): send(process, event)
    // A checkpoint handed over before a release.
    default:
      guard let lease = event.ending else { return }
      if reply == nil {
        send(process, event)
      } else {
        let hasAsked = processes[process].stages[lease]?.hasAsked ?? false
        processes[process].stages[lease] = nil
        handle(.ended(lease), process)
        if hasAsked { handle(.finishClaimedNothing, process) }
      }
    }
  }

  // MARK: - Training

  private mutating func begin(_ process: Int, _ claim: QueueReply.Claimed) {
    let stage = queue.stages[claim.lease.stage]
    let start = claim.resume ?? 0
    processes[process].stages[claim.lease] = Training(samples: start, end: stage.end)
    if let checkpoint = claim.checkpoint, spoiled.contains(checkpoint) {
      count("damaged checkpoint")
      conclude(process, claim.lease, .reportDamage(claim.lease, checkpoint: checkpoint))
      return
    }
    if claim.resume == nil, stage.parent != nil {
      properties.violate("\(stage.name) was claimed without its parent's state")
    }
    schedule(in: 300, .train(process: process, claim.lease))
  }

  /// Sends what ends an attempt.
  private mutating func conclude(_ process: Int, _ lease: Lease, _ event: QueueEvent) {
    processes[process].stages[lease]?.isEnding = true
    send(process, event)
  }

  private mutating func train(_ process: Int, _ lease: Lease) {
    guard var training = processes[process].stages[lease], !training.isEnding else { return }
    if training.command == .abandon {
      processes[process].stages[lease] = nil
      handle(.ended(lease), process)
      return
    }
    guard training.holdUntil > now else {
      // The lease may have run out: wait, with the state in memory, for what the queue says.
      schedule(in: 200, .train(process: process, lease))
      return
    }
    // What a user takes, and what the worker itself has given back, it may hear of later.
    let outcome = queue.stages[lease.stage].attempts[lease.attempt - 1].outcome
    if properties.latest[lease.stage] != lease, outcome != .cancelled, outcome != .preempted {
      properties.violate(
        "at \(now) stage \(lease.stage) was trained under attempt \(lease.attempt), believed to be held"
      )
    }
    if training.command == .drain {
      send(process, .register(lease, samples: training.samples))
      conclude(process, lease, .release(lease, delay: nil))
      return
    }
    training.samples = min(training.end, training.samples + random.number(20...60))
    processes[process].stages[lease] = training
    if training.samples == training.end {
      let slots = processes[process].core.slotsToClaim(finishing: lease)
      let worker = processes[process].worker
      conclude(
        process, lease,
        slots > 0 ? .finishAndClaim(lease, worker: worker, slots: slots) : .finish(lease))
    } else if random.happens(isCalm ? 0 : 0.002) {
      conclude(process, lease, .diverge(lease))
    } else if random.happens(isCalm ? 0 : 0.004) {
      conclude(process, lease, .fail(lease, permanent: random.happens(0.2)))
    } else if random.happens(isCalm ? 0 : 0.004) {
      count("full disk")
      conclude(process, lease, .release(lease, delay: 30_000))
    } else {
      if random.happens(0.1) { send(process, .register(lease, samples: training.samples)) }
      schedule(in: random.number(200...600), .train(process: process, lease))
    }
  }

  // MARK: - Users and harm

  private mutating func submit(_ name: String) {
    var runs: [(name: String, chain: [(name: String, end: Int)])] = []
    for run in 0..<random.number(1...5) {
      // Chains out of few names: many runs, in many grids, have beginnings in common.
      var path = "\(random.number(0...1))"
      var chain: [(name: String, end: Int)] = []
      for depth in 1...random.number(1...4) {
        chain.append((path, depth * 400))
        path += "\(random.number(0...2))"
      }
      if !runs.contains(where: { $0.chain.map(\.name) == chain.map(\.name) }) {
        runs.append(("run\(run)", chain))
      }
    }
    tell(.submit(.init(grid: name, priority: random.number(-1...2), runs: runs)))
  }

  private mutating func actAsUser() {
    guard !isCalm else { return }
    schedule(in: random.number(3000...20_000), .user)
    guard let grid = queue.grids.keys.sorted().randomElement(using: &random),
      let known = queue.grids[grid]
    else { return }
    let run = random.happens(0.5) ? known.runs.randomElement(using: &random)?.name : nil
    switch random.number(0...8) {
    case 0: tell(.cancel(grid: grid, run: run))
    case 1: tell(.retry(grid: grid, run: run))
    case 2: tell(.prioritize(grid: grid, random.number(-2...3)))
    case 3: tell(.pause(grid: grid, true))
    case 4: tell(.pause(grid: grid, false))
    case 5: tell(.pause(grid: nil, random.happens(0.3)))
    case 6: submit("grid\(random.number(0...5))")
    case 7: tell(.submit(.init(grid: grid, priority: 0, runs: [])))
    default: tell(.unpark)
    }
  }

  private mutating func doHarm() {
    guard !isCalm else { return }
    schedule(in: random.number(500...6000), .fault)
    let alive = processes.indices.filter { processes[$0].isAlive }
    guard let victim = alive.randomElement(using: &random) else { return }
    switch random.number(0...9) {
    case 0...2:
      count("crash")
      processes[victim].isAlive = false
      schedule(in: random.number(500...8000), .start)
    case 3...5:
      let length = random.number(500...25_000)
      count(length > 8000 ? "stall past the lease" : "stall")
      processes[victim].stalledUntil = now + length
      schedule(in: length, .wake(process: victim))
    case 6:
      count("drain")
      handle(.drain, victim)
      schedule(in: random.number(500...8000), .start)
    case 7:
      count("database restart")
      downUntil = now + random.number(200...15_000)
    default:
      // A file goes bad on the disk: whoever reads it next says so.
      if let file = queue.checkpoints.indices.randomElement(using: &random) {
        spoiled.insert(file)
      }
    }
  }

  private mutating func count(_ fault: String) { faults[fault, default: 0] += 1 }

  // MARK: - The queue

  @discardableResult
  private mutating func tell(_ event: QueueEvent) -> QueueReply {
    let before = queue
    let reply = queue.apply(event, now: now)
    log.append((now, event, reply))
    properties.see(event, reply, before: before, after: queue)
    return reply
  }
}
