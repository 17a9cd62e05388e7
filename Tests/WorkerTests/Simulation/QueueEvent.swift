import JobQueue
import Values

/// Something that happens to the queue, as its users and workers cause it. Stages, workers and
/// checkpoints go by the model's numbers.
enum QueueEvent: Sendable {
  case submit(QueueModel.Submission)
  case cancel(grid: String, run: String?)
  case retry(grid: String, run: String?)
  case prioritize(grid: String, Int)
  case pause(grid: String?, Bool)
  case unpark
  case registerWorker(Int)
  case claim(worker: Int, slots: Int)
  case heartbeat(worker: Int, held: [Lease])
  case register(Lease, samples: Int)
  case finish(Lease)
  case finishAndClaim(Lease, worker: Int, slots: Int)
  case diverge(Lease)
  case fail(Lease, permanent: Bool)
  case release(Lease, delay: Int?)
  case reportDamage(Lease, checkpoint: Int)

  /// Of all simulated workers, in milliseconds.
  static let lease = 10_000
}

extension QueueEvent {
  /// The lease that a write carries.
  var lease: Lease? {
    switch self {
    case .register(let lease, _), .finish(let lease), .finishAndClaim(let lease, _, _),
      .diverge(let lease), .fail(let lease, _),
      .release(let lease, _), .reportDamage(let lease, _):
      lease
    default: nil
    }
  }

  /// The lease that it ends.
  var ending: Lease? {
    if case .register = self { nil } else { lease }
  }

  /// Whether a program may send it again without knowing what came of it.
  var mayBeRepeated: Bool {
    if case .finishAndClaim = self { false } else { lease != nil }
  }
}

enum QueueReply: Sendable, Equatable {
  struct Claimed: Sendable, Equatable {
    var lease: Lease
    /// The sample clock from which to go on, and whether that is the parent's end; nil at the start.
    var resume: Int?
    var checkpoint: Int?
  }

  case done
  case claimed([Claimed])
  case judged([Lease: JobQueue.Verdict])
  case accepted(Bool)
  case finished(Bool, [Claimed])

  var claims: [Claimed] {
    switch self {
    case .claimed(let claims), .finished(_, let claims): claims
    default: []
    }
  }

  /// Of a write that carries a lease.
  var isAccepted: Bool {
    switch self {
    case .accepted(let isAccepted), .finished(let isAccepted, _): isAccepted
    default: false
    }
  }
}

extension QueueModel {
  mutating func apply(_ event: QueueEvent, now: Int) -> QueueReply {
    switch event {
    case .submit(let submission): submit(submission)
    case .cancel(let grid, let run): cancel(grid: grid, run: run)
    case .retry(let grid, let run): retry(grid: grid, run: run)
    case .prioritize(let grid, let priority): setPriority(grid: grid, priority)
    case .pause(let grid, let isPaused): pause(grid: grid, isPaused)
    case .unpark: unpark()
    case .registerWorker(let worker): register(worker: worker, now: now)
    case .claim(let worker, let slots):
      return .claimed(take(worker, slots, now))
    case .heartbeat(let worker, let held):
      return .judged(heartbeat(worker: worker, held: held, lease: QueueEvent.lease, now: now))
    case .register(let lease, let samples): return .accepted(register(lease, samples: samples))
    case .finish(let lease): return .accepted(finish(lease))
    case .finishAndClaim(let lease, let worker, let slots):
      let isAccepted = finish(lease)
      return .finished(isAccepted, take(worker, slots, now))
    case .diverge(let lease): return .accepted(diverge(lease))
    case .fail(let lease, let permanent):
      return .accepted(fail(lease, permanent: permanent, now: now))
    case .release(let lease, let delay): return .accepted(release(lease, delay: delay, now: now))
    case .reportDamage(let lease, let checkpoint):
      return .accepted(reportDamage(lease, checkpoint: checkpoint))
    }
    return .done
  }

  private mutating func take(_ worker: Int, _ slots: Int, _ now: Int) -> [QueueReply.Claimed] {
    claim(worker: worker, slots: slots, lease: QueueEvent.lease, now: now).map {
      .init(
        lease: $0.lease, resume: $0.resume.map { checkpoints[$0].samples }, checkpoint: $0.resume)
    }
  }
}

/// Small and repeatable: SplitMix64 (Steele, Lea and Flood 2014).
struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: Int) { state = UInt64(bitPattern: Int64(seed)) }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func happens(_ probability: Double) -> Bool {
    Double.random(in: 0..<1, using: &self) < probability
  }

  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
}
