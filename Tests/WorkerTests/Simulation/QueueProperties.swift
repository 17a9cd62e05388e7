import JobQueue
import Values

/// What must hold whatever happens: no stage is finished twice or by a stale attempt, nothing that is wanted
/// is cancelled, nothing waits for what is over, and counters never mix.
struct QueueProperties: Sendable {
  private(set) var violations: [String] = []
  /// The newest lease of each stage.
  private(set) var latest: [Int: Lease] = [:]
  /// Accepted writes that count something, by stage.
  private var counted: [Int: (failures: Int, releases: Int, finishes: Int, damages: Int)] = [:]

  mutating func violate(_ what: String) { violations.append(what) }

  mutating func see(
    _ event: QueueEvent, _ reply: QueueReply, before: QueueModel, after queue: QueueModel
  ) {
    if reply.isAccepted, let lease = event.lease {
      let attempt = before.stages[lease.stage].attempts[lease.attempt - 1]
      let isRepeated = attempt.outcome != nil
      if !isRepeated, latest[lease.stage] != lease {
        violate("a stale write was accepted: \(event)")
      }
      if !isRepeated {
        var sum = counted[lease.stage] ?? (0, 0, 0, 0)
        switch event {
        case .finish, .finishAndClaim:
          sum.finishes += 1
          if sum.finishes > sum.damages + 1 {
            violate("stage \(lease.stage) was finished twice")
          }
        case .fail: sum.failures += 1
        case .release: sum.releases += 1
        case .reportDamage(_, let checkpoint):
          counted[queue.checkpoints[checkpoint].stage, default: (0, 0, 0, 0)].damages += 1
          sum = counted[lease.stage] ?? sum
        default: break
        }
        counted[lease.stage] = sum
      }
    }
    // After the write: a finish that claims has ended before.
    for claim in reply.claims {
      if let old = latest[claim.lease.stage], old.attempt >= claim.lease.attempt {
        violate("attempt \(claim.lease.attempt) of stage \(claim.lease.stage) again")
      }
      latest[claim.lease.stage] = claim.lease
    }
    for (index, stage) in queue.stages.enumerated() {
      if stage.state == .cancelled, queue.isWanted(index) {
        violate("\(stage.name) is cancelled and wanted, after \(event)")
      }
      let parent = stage.parent.map { queue.stages[$0].state }
      if stage.state == .ready, stage.parent != nil,
        parent != .done || queue.resume(index) == nil
      {
        violate("\(stage.name) is ready with nothing to go on from, after \(event)")
      }
      if stage.state == .blocked,
        parent == nil || [.done, .diverged, .failed, .skipped].contains(parent)
      {
        violate("\(stage.name) waits for a parent that is over, after \(event)")
      }
    }
  }

  /// Failures, crashes and preemptions never mix.
  mutating func checkCounters(_ queue: QueueModel) {
    for (index, stage) in queue.stages.enumerated() {
      let outcomes = stage.attempts.map(\.outcome)
      func count(_ outcome: QueueModel.Outcome) -> Int { outcomes.count { $0 == outcome } }
      let sum = counted[index] ?? (0, 0, 0, 0)
      if count(.failed) != sum.failures || count(.crashed) != stage.crashes
        || count(.preempted) != stage.preemptions || stage.preemptions < sum.releases
        || stage.failures > sum.failures
      {
        violate("the counters of \(stage.name) are mixed: \(queue.picture[index])")
      }
    }
  }
}
