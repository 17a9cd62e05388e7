import JobQueue
import Values

/// The queue's rules as a pure state machine: what schema `api` does, without a database. Times are
/// milliseconds of the queue's own clock. Every change of a rule is made here and in sql/functions; the
/// tests let both meet the same events and compare what they say and what they are.
struct QueueModel: Sendable {
  enum State: String, Sendable {
    case blocked, ready, running, done, diverged, failed, parked, skipped, cancelled

    var isOver: Bool {
      switch self {
      case .blocked, .ready, .running: false
      case .done, .diverged, .failed, .parked, .skipped, .cancelled: true
      }
    }
  }

  enum Outcome: String, Sendable {
    case finished, diverged, failed, crashed, preempted, cancelled, damaged
  }

  struct Checkpoint: Sendable {
    var stage: Int
    var attempt: Int
    var samples: Int
    var isDamaged = false
  }

  struct Attempt: Sendable {
    var worker: Int
    var claimedAt: Int
    var leaseUntil: Int
    var outcome: Outcome?
  }

  struct Stage: Sendable {
    var name: String
    var parent: Int?
    var end: Int
    var state: State
    var priority = 0
    var isHeld = false
    var worker: Int?
    /// The n-th attempt is at n - 1.
    var attempts: [Attempt] = []
    var failures = 0
    var crashes = 0
    var crashStreak = 0
    var preemptions = 0
    var notBefore: Int?
    /// Place of the checkpoint of its end.
    var final: Int?
    var attempt: Int { attempts.count }
  }

  struct Run: Sendable {
    var name: String
    var stages: [Int]
    var isCancelled = false
  }

  struct Grid: Sendable {
    var runs: [Run]
    var priority: Int
    var isPaused = false
  }

  /// A stage and the number of an attempt at it.
  typealias Claim = (lease: Lease, resume: Int?)

  private(set) var stages: [Stage] = []
  private(set) var checkpoints: [Checkpoint] = []
  private(set) var grids: [String: Grid] = [:]
  private(set) var isPaused = false
  /// When each worker's heartbeats last looked for stages whose claim it never heard of.
  private var sweptAt: [Int: Int] = [:]
  private var names: [String: Int] = [:]

  /// As the queue's functions internal_crash_limit and internal_failure_limit give them (a test).
  static let crashLimit = 5
  static let failureLimit = 3

  // MARK: - Users

  /// Chains of stages by name, each name given with the sample clock at its end.
  struct Submission: Sendable {
    var grid: String
    var priority: Int
    var runs: [(name: String, chain: [(name: String, end: Int)])]
  }

  mutating func submit(_ submission: Submission) {
    if let known = grids[submission.grid] {
      for index in known.runs.indices { grids[submission.grid]?.runs[index].isCancelled = false }
    } else {
      var runs: [Run] = []
      for (name, chain) in submission.runs {
        var places: [Int] = []
        for (stage, end) in chain {
          let place = names[stage] ?? stages.count
          if names[stage] == nil {
            names[stage] = place
            stages.append(
              Stage(
                name: stage, parent: places.last, end: end, state: .blocked,
                priority: submission.priority))
          }
          places.append(place)
        }
        runs.append(Run(name: name, stages: places))
      }
      grids[submission.grid] = Grid(runs: runs, priority: submission.priority)
    }
    let chain = chain(of: submission.grid)
    for stage in chain where stages[stage].state == .cancelled { stages[stage].state = .blocked }
    settle(chain)
    prioritize(chain)
  }

  private func chain(of grid: String, run: String? = nil) -> Set<Int> {
    Set((grids[grid]?.runs ?? []).filter { run == nil || $0.name == run }.flatMap(\.stages))
  }

  /// The grids of live runs that want a stage.
  private func wanting(_ stage: Int) -> [Grid] {
    grids.values.filter { $0.runs.contains { !$0.isCancelled && $0.stages.contains(stage) } }
  }

  func isWanted(_ stage: Int) -> Bool { !wanting(stage).isEmpty }

  private mutating func prioritize(_ chosen: Set<Int>) {
    for stage in chosen {
      let grids = wanting(stage)
      guard let priority = grids.map(\.priority).max() else { continue }
      stages[stage].priority = priority
      stages[stage].isHeld = grids.allSatisfy(\.isPaused)
    }
  }

  /// Puts stages that wait for their parents where these say they belong.
  private mutating func settle(_ chosen: Set<Int>) {
    for stage in chosen.sorted() {
      guard [.blocked, .ready, .skipped].contains(stages[stage].state) else { continue }
      stages[stage].state = place(stage)
    }
  }

  /// Where a stage waits that nobody trains.
  private func place(_ stage: Int) -> State {
    switch stages[stage].parent.map({ stages[$0].state }) {
    case nil, .done: .ready
    case .diverged, .failed, .skipped: .skipped
    default: .blocked
    }
  }

  private func below(_ chosen: Set<Int>) -> Set<Int> {
    var found = chosen
    // Children come after their parents.
    for stage in stages.indices where stages[stage].parent.map(found.contains) ?? false {
      found.insert(stage)
    }
    return found
  }

  mutating func cancel(grid: String, run: String?) {
    guard let known = grids[grid] else { return }
    var touched: Set<Int> = []
    for (index, each) in known.runs.enumerated()
    where (run == nil || each.name == run) && !each.isCancelled {
      guard each.stages.last.map({ stages[$0].state != .done }) ?? true else { continue }
      grids[grid]?.runs[index].isCancelled = true
      touched.formUnion(each.stages)
    }
    for stage in touched.sorted() where !isWanted(stage) {
      switch stages[stage].state {
      case .running:
        end(stage, .cancelled)
        fallthrough
      case .blocked, .ready, .skipped: stages[stage].state = .cancelled
      default: break
      }
    }
    prioritize(touched)
  }

  mutating func retry(grid: String, run: String?) {
    guard let known = grids[grid] else { return }
    for (index, each) in known.runs.enumerated() where run == nil || each.name == run {
      grids[grid]?.runs[index].isCancelled = false
    }
    let chain = chain(of: grid, run: run)
    for stage in chain where [.failed, .parked, .cancelled].contains(stages[stage].state) {
      stages[stage].state = .blocked
      stages[stage].failures = 0
      stages[stage].crashStreak = 0
      stages[stage].notBefore = nil
    }
    settle(below(chain))
    prioritize(chain)
  }

  mutating func unpark() {
    let chosen = Set(stages.indices.filter { stages[$0].state == .parked && isWanted($0) })
    for stage in chosen {
      stages[stage].state = .blocked
      stages[stage].crashStreak = 0
      stages[stage].notBefore = nil
    }
    settle(below(chosen))
  }

  mutating func setPriority(grid: String, _ priority: Int) {
    grids[grid]?.priority = priority
    prioritize(chain(of: grid))
  }

  mutating func pause(grid: String?, _ isPaused: Bool) {
    guard let grid else {
      self.isPaused = isPaused
      return
    }
    grids[grid]?.isPaused = isPaused
    prioritize(chain(of: grid))
  }

  // MARK: - Workers

  mutating func register(worker: Int, now: Int) { sweptAt[worker] = now }

  mutating func rescue(now: Int) {
    for stage in stages.indices where stages[stage].state == .running {
      guard let last = stages[stage].attempts.last, last.leaseUntil < now else { continue }
      end(stage, .crashed)
      stages[stage].crashes += 1
      stages[stage].crashStreak += 1
      stages[stage].state =
        stages[stage].crashStreak >= QueueModel.crashLimit ? .parked : place(stage)
    }
  }

  mutating func claim(worker: Int, slots: Int, lease: Int, now: Int) -> [Claim] {
    rescue(now: now)
    guard !isPaused else { return [] }
    let ready = stages.indices.filter {
      stages[$0].state == .ready && !stages[$0].isHeld && (stages[$0].notBefore ?? now) <= now
        && (stages[$0].parent == nil || resume($0) != nil)
    }
    .sorted { (-stages[$0].priority, $0) < (-stages[$1].priority, $1) }
    return ready.prefix(slots).map { stage in
      stages[stage].state = .running
      stages[stage].worker = worker
      stages[stage].notBefore = nil
      stages[stage].attempts.append(
        Attempt(worker: worker, claimedAt: now, leaseUntil: now + lease))
      return (Lease(stage: stage, attempt: stages[stage].attempt), resume(stage))
    }
  }

  /// The newest valid checkpoint of a stage, or that of its parent's end.
  func resume(_ stage: Int) -> Int? {
    let own = checkpoints.indices.filter {
      checkpoints[$0].stage == stage && !checkpoints[$0].isDamaged
    }
    if let newest = own.max(by: {
      (checkpoints[$0].samples, $0) < (checkpoints[$1].samples, $1)
    }) {
      return newest
    }
    guard let parent = stages[stage].parent, let final = stages[parent].final,
      !checkpoints[final].isDamaged
    else { return nil }
    return final
  }

  /// The fence.
  func holds(_ lease: Lease) -> Bool {
    stages[lease.stage].state == .running && stages[lease.stage].attempt == lease.attempt
  }

  private func hasEnded(_ lease: Lease, _ outcome: Outcome) -> Bool {
    stages[lease.stage].attempts[lease.attempt - 1].outcome == outcome
  }

  private mutating func end(_ stage: Int, _ outcome: Outcome) {
    stages[stage].attempts[stages[stage].attempt - 1].outcome = outcome
    stages[stage].worker = nil
  }

  mutating func heartbeat(worker: Int, held: [Lease], lease: Int, now: Int) -> [Lease:
    JobQueue.Verdict]
  {
    let sweeps = sweptAt[worker].map { $0 <= now - lease } ?? false
    if sweeps { sweptAt[worker] = now }
    for stage in stages.indices
    where sweeps && stages[stage].worker == worker
      && !held.contains(where: { $0.stage == stage })
    {
      guard let last = stages[stage].attempts.last, last.claimedAt < now - lease else { continue }
      end(stage, .preempted)
      stages[stage].state = place(stage)
      stages[stage].preemptions += 1
    }
    var verdicts: [Lease: JobQueue.Verdict] = [:]
    for claim in held {
      let stage = stages[claim.stage]
      if holds(claim) {
        stages[claim.stage].attempts[claim.attempt - 1].leaseUntil = now + lease
        verdicts[claim] = stage.isHeld || isPaused ? .paused : .hold
      } else {
        verdicts[claim] = stage.state == .cancelled ? .cancelled : .lost
      }
    }
    return verdicts
  }

  mutating func register(_ lease: Lease, samples: Int) -> Bool {
    guard holds(lease) else { return false }
    addCheckpoint(lease, samples)
    stages[lease.stage].crashStreak = 0
    return true
  }

  /// The same file once more is the same checkpoint.
  private mutating func addCheckpoint(_ lease: Lease, _ samples: Int) {
    let isKnown = checkpoints.contains {
      ($0.stage, $0.attempt, $0.samples) == (lease.stage, lease.attempt, samples)
    }
    if !isKnown {
      checkpoints.append(Checkpoint(stage: lease.stage, attempt: lease.attempt, samples: samples))
    }
  }

  mutating func finish(_ lease: Lease) -> Bool {
    if hasEnded(lease, .finished) { return true }
    guard holds(lease) else { return false }
    let stage = lease.stage
    addCheckpoint(lease, stages[stage].end)
    end(stage, .finished)
    stages[stage].state = .done
    stages[stage].crashStreak = 0
    stages[stage].final = checkpoints.lastIndex {
      ($0.stage, $0.attempt, $0.samples) == (stage, lease.attempt, stages[stage].end)
    }
    for child in stages.indices
    where stages[child].parent == stage && stages[child].state == .blocked {
      stages[child].state = .ready
    }
    return true
  }

  private mutating func skipBelow(_ stage: Int) {
    for each in below([stage]) where each != stage && stages[each].state == .blocked {
      stages[each].state = .skipped
    }
  }

  mutating func diverge(_ lease: Lease) -> Bool {
    if hasEnded(lease, .diverged) { return true }
    guard holds(lease) else { return false }
    end(lease.stage, .diverged)
    stages[lease.stage].state = .diverged
    skipBelow(lease.stage)
    return true
  }

  mutating func fail(_ lease: Lease, permanent: Bool, now: Int) -> Bool {
    if hasEnded(lease, .failed) { return true }
    guard holds(lease) else { return false }
    let stage = lease.stage
    end(stage, .failed)
    stages[stage].failures += 1
    stages[stage].notBefore = now + min(60, 1 << stages[stage].failures) * 1000
    if permanent || stages[stage].failures >= QueueModel.failureLimit {
      stages[stage].state = .failed
      skipBelow(stage)
    } else {
      stages[stage].state = place(stage)
    }
    return true
  }

  mutating func release(_ lease: Lease, delay: Int?, now: Int) -> Bool {
    if hasEnded(lease, .preempted) { return true }
    guard holds(lease) else { return false }
    end(lease.stage, .preempted)
    stages[lease.stage].state = place(lease.stage)
    stages[lease.stage].preemptions += 1
    stages[lease.stage].notBefore = delay.map { now + $0 }
    return true
  }

  mutating func reportDamage(_ lease: Lease, checkpoint: Int) -> Bool {
    if hasEnded(lease, .damaged) { return true }
    guard holds(lease) else { return false }
    let (stage, owner) = (lease.stage, checkpoints[checkpoint].stage)
    checkpoints[checkpoint].isDamaged = true
    end(stage, .damaged)
    stages[stage].state = .blocked
    var family: Set<Int> = [stage, owner]
    if owner != stage {
      family.formUnion(stages.indices.filter { stages[$0].parent == owner })
      if stages[owner].final == checkpoint {
        stages[owner].state = .blocked
        stages[owner].final = nil
      }
    }
    settle(family)
    return true
  }

  // MARK: - What can be seen

  /// Whether anything is ready or runs, or waits below that.
  var hasWork: Bool { stages.contains { $0.state == .ready || $0.state == .running } }

  /// One line a stage, as the server is asked for it.
  var picture: [String] {
    stages.map { stage in
      [
        stage.name, stage.state.rawValue, "priority \(stage.priority)",
        stage.isHeld ? "held" : "free", "attempt \(stage.attempt)",
        "worker \(stage.worker.map(String.init) ?? "none")", "failures \(stage.failures)",
        "crashes \(stage.crashes)/\(stage.crashStreak)", "preemptions \(stage.preemptions)",
        "not before \(stage.notBefore.map(String.init) ?? "none")",
        "final \(stage.final != nil)",
        "outcomes \(stage.attempts.map { $0.outcome?.rawValue ?? "open" }.joined(separator: ","))",
      ].joined(separator: ", ")
    }
  }
}
