import Foundation
import JobQueue
import Postgres
import Values

/// Causes faults one after the other and keeps the workers coming.
final class Tormentor {
  enum Fault: String, CaseIterable {
    case kill = "SIGKILL at any moment"
    case killWriting = "SIGKILL while a checkpoint is written"
    case killRegistering = "SIGKILL between writing and registering a checkpoint"
    case killFinishing = "SIGKILL inside the finish transaction"
    case stop = "SIGSTOP past the lease, then SIGCONT"
    case pause = "SIGSTOP for a moment"
    case drain = "SIGTERM"
    case killProgram = "SIGKILL of a trainer's program"
    case terminate = "backends terminated"
    case restart = "PostgreSQL stopped at once and restarted"
    case stall = "the connection stalls"
    case reset = "connections reset"
    case fillDisk = "the checkpoint disk full"
    case truncate = "a checkpoint file truncated"
    case flip = "bits of a checkpoint file flipped"
    case intruder = "a worker and a gc of another queue at the store"
    case lostStore = "the store empty for a while"
    case swappedStore = "another queue's store in its place for a while"
    case secondHost = "another host at the database's home"

    /// Of a hundred faults about so many; the others come as they may.
    var weight: Int {
      switch self {
      case .kill: 50
      case .killProgram: 20
      case .killWriting, .killRegistering, .killFinishing: 8
      case .stop: 3
      case .restart, .fillDisk: 2
      case .pause, .drain, .terminate, .stall, .reset, .truncate, .flip: 3
      case .intruder, .lostStore, .swappedStore, .secondHost: 1
      }
    }
  }

  let site: Site
  private let neighbour: Neighbour?
  private let proxy: Proxy
  private let count: Int
  private var random: SystemSeed
  private var workers: [WorkerProcess] = []
  var caused: [(fault: Fault, at: Date)] = []
  var kills: [(pid: pid_t, at: Date)] = []
  var missed: [Fault: Int] = [:]
  var unparked = 0
  var started = 0
  private var collected = ContinuousClock.now

  init(_ site: Site, _ neighbour: Neighbour?, seed: Int, workers: Int) async throws {
    self.site = site
    self.neighbour = neighbour
    count = workers
    random = SystemSeed(state: UInt64(seed))
    proxy = try Proxy(folder: site.folder + "/proxy", server: site.cluster.socketFolder)
  }

  /// True when all work was over in time.
  func run(faults: Int, deadline: ContinuousClock.Instant) async throws -> Bool {
    let bag = possible.flatMap { Array(repeating: $0, count: $0.weight) }
    // Every kind once, then as their weights have it.
    var first = possible.shuffled(using: &random)
    var left = faults
    while ContinuousClock.now < deadline {
      // Faults keep ahead of the work, so that it lasts for all of them: where it runs ahead, fewer
      // workers train and faults come faster.
      let isAhead =
        left > 0 ? try await doneShare() > Double(faults - left) / Double(faults) : false
      replaceWorkers(upTo: isAhead ? max(2, count / 2) : count)
      if left > 0, try await hasWork() {
        let fault = first.popLast() ?? bag[Int.random(in: 0..<bag.count, using: &random)]
        if try await cause(fault) {
          caused.append((fault, Date()))
          left -= 1
        } else {
          missed[fault, default: 0] += 1
          // There may be an occasion later.
          if neverCaused.contains(fault), !first.contains(fault) { first.insert(fault, at: 0) }
        }
        let longest = isAhead ? 500 : 1500
        try await Task.sleep(for: .milliseconds(Int.random(in: 50...longest, using: &random)))
      } else {
        if try await !hasWork() { break }
        try await Task.sleep(for: .milliseconds(200))
      }
      wake()
      try await unpark()
      if ContinuousClock.now - collected > .seconds(10) {
        try await site.collect()
        collected = .now
      }
    }
    let isOver = try await !hasWork()
    if left > 0 {
      print("The work was over with \(left) faults left: ask for more runs or epochs.")
    }
    for fault in neverCaused { print("There was never an occasion for: \(fault.rawValue).") }
    return isOver && left == 0 && neverCaused.isEmpty
  }

  /// Without a disk of the site's own there is none to fill, and none to hide.
  private var possible: [Fault] {
    Fault.allCases.filter { fault in
      switch fault {
      case .fillDisk: site.isDiskSmall
      case .lostStore, .swappedStore, .secondHost: site.isDiskSmall && neighbour != nil
      case .intruder: neighbour != nil
      case .killProgram: site.trains
      // A trainer's states are small: no fault would hit one while the worker writes it.
      case .killWriting, .killRegistering: !site.trains
      default: true
      }
    }
  }

  private var neverCaused: [Fault] {
    possible.filter { fault in !caused.contains { $0.fault == fault } }
  }

  /// Kills workers that train, some two seconds apart, and lets the last of them be followed.
  func killTrainers(_ count: Int, deadline: ContinuousClock.Instant) async throws {
    replaceWorkers(upTo: self.count)
    while kills.count < count, ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(Int.random(in: 1000...3000, using: &random)))
      let training = Set(
        try await site.database.query("select pid from report.worker where stages > 0")
          .compactMap { $0["pid"].flatMap { pid_t($0) } })
      let candidates = workers.filter { $0.isRunning && training.contains($0.pid) }
      if let victim = candidates.randomElement(using: &random) { kill(victim) }
      replaceWorkers(upTo: self.count)
    }
    try await Task.sleep(for: .seconds(20))
  }

  private func hasWork() async throws -> Bool {
    try await JobQueue(site.database).state(grid: nil, patience: .upTo(.seconds(120))).isEmpty
      == false
  }

  /// Of the stages, those that are over.
  private func doneShare() async throws -> Double {
    let counts = try await JobQueue(site.database).state(
      grid: nil, patience: .upTo(.seconds(120))
    ).counts
    let all = counts.values.reduce(0, +)
    return Double(counts["done"] ?? 0) / Double(max(all, 1))
  }

  private func replaceWorkers(upTo count: Int) {
    workers.removeAll { !$0.isRunning }
    while workers.count(where: { $0.stoppedUntil == nil }) < count,
      let worker = try? site.worker(through: proxy)
    {
      workers.append(worker)
      started += 1
    }
  }

  private func wake() {
    for worker in workers where worker.stoppedUntil.map({ $0 < .now }) ?? false {
      worker.signal(SIGCONT)
      worker.stoppedUntil = nil
    }
  }

  /// What an operator would do, who sees why a stage was parked.
  private func unpark() async throws {
    let parked =
      try await JobQueue(site.database).state(grid: nil, patience: .upTo(.seconds(120)))
      .counts["parked"] ?? 0
    guard parked > 0 else { return }
    unparked += try await JobQueue(site.database).unpark(grid: nil, stage: nil).stages
  }

  // MARK: - Faults

  private var victim: WorkerProcess? {
    workers.filter { $0.stoppedUntil == nil && $0.isRunning }.randomElement(using: &random)
  }

  /// False where it had ended before.
  @discardableResult
  private func kill(_ victim: WorkerProcess) -> Bool {
    guard victim.isRunning else { return false }
    kills.append((victim.pid, Date()))
    victim.signal(SIGKILL)
    return true
  }

  /// False where there was no occasion for it.
  private func cause(_ fault: Fault) async throws -> Bool {
    switch fault {
    case .kill:
      guard let victim else { return false }
      return kill(victim)
    case .killWriting:
      guard let victim = try await writer() else { return false }
      return kill(victim)
    case .killRegistering:
      guard let victim = try await writer() else { return false }
      // Until its file has been renamed; then at once, before the queue has heard of it.
      for _ in 0..<2000 {
        guard isWriting(victim) else { break }
        usleep(200)
      }
      return kill(victim)
    case .killFinishing: return try await killFinishing()
    case .stop, .pause:
      guard let victim else { return false }
      victim.signal(SIGSTOP)
      victim.stoppedUntil = .now + .milliseconds(fault == .stop ? 13_000 : 1500)
    case .drain:
      guard let victim else { return false }
      victim.signal(SIGTERM)
    case .killProgram:
      guard let program = site.programs.randomElement(using: &random) else { return false }
      // It may have ended in between.
      Foundation.kill(program, SIGKILL)
    case .terminate:
      _ = try await site.database.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
          + "and backend_type = 'client backend'")
    case .restart: try await restart()
    case .stall: proxy.stall(for: .milliseconds(Int.random(in: 500...12_000, using: &random)))
    case .reset: proxy.reset()
    case .fillDisk: return try await fillDisk()
    case .truncate, .flip: return try await spoil(truncating: fault == .truncate)
    case .intruder: try await neighbour?.intrude()
    case .lostStore: return try await neighbour?.loseStore() ?? false
    case .swappedStore: return try await neighbour?.swapStore() ?? false
    case .secondHost: return try await neighbour?.comeFromElsewhere() ?? false
    }
    return true
  }

  /// A worker that has a file open that it has not finished.
  private func writer() async throws -> WorkerProcess? {
    for _ in 0..<400 {
      if let found = workers.first(where: {
        $0.stoppedUntil == nil && $0.isRunning && isWriting($0)
      }) {
        return found
      }
      try await Task.sleep(for: .milliseconds(5))
    }
    return nil
  }

  private func isWriting(_ worker: WorkerProcess) -> Bool {
    let folder = "/proc/\(worker.pid)/fd"
    let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return descriptors.contains {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)"))?
        .hasSuffix(".partial") ?? false
    }
  }

  /// Keeps finishes from ending their transaction, and kills whoever waits in one.
  private func killFinishing() async throws -> Bool {
    let blocker = try await Connection.open(try site.cluster.target())
    try await blocker.query("begin")
    try await blocker.query("lock table jobs.event in share mode")
    var isDone = false
    for _ in 0..<300 where !isDone {
      let waiting = try await site.database.query(
        """
        select application_name from pg_stat_activity
        where query like '%api.finish%' and state = 'active' and wait_event_type = 'Lock'
        """)
      let names = waiting.compactMap { $0["application_name"] }
      if let victim = workers.first(where: { names.contains("jobctl \($0.pid)") }) {
        isDone = kill(victim)
        // Every other time the server's side of it goes too: then nothing is committed.
        if Bool.random(using: &random) {
          _ = try await site.database.query(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
            [.text("jobctl \(victim.pid)")])
        }
      } else {
        try await Task.sleep(for: .milliseconds(10))
      }
    }
    try await blocker.query("rollback")
    return isDone
  }

  private func restart() async throws {
    let file = site.cluster.folder + "/data/postmaster.pid"
    let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
    guard let pid = text.split(separator: "\n").first.flatMap({ pid_t($0) }) else { return }
    Glibc.kill(pid, SIGQUIT)
    for _ in 0..<500 where Glibc.kill(pid, 0) == 0 { usleep(10_000) }
    try await site.cluster.ensureRunning()
  }

  private func fillDisk() async throws -> Bool {
    guard site.isDiskSmall else { return false }
    let file = site.store + "/ballast"
    let ballast = open(file, O_WRONLY | O_CREAT, 0o600)
    guard ballast >= 0 else { return false }
    let block = [UInt8](repeating: 1, count: 1 << 16)
    while write(ballast, block, block.count) > 0 {}
    close(ballast)
    try await Task.sleep(for: .seconds(4))
    unlink(file)
    return true
  }

  private func spoil(truncating: Bool) async throws -> Bool {
    // One that somebody goes on from: the newest of a stage in training, or its parent's end.
    let files = try await site.database.query(
      """
      select c.file from report.stage s
      join report.checkpoint c on c.stage_id = s.id or c.stage_id = s.parent_id
      where s.state in ('ready', 'running') and c.damaged_at is null and c.removed_at is null
      order by s.id, c.id desc
      """
    ).compactMap { $0["file"] }
    guard let file = files.randomElement(using: &random) else { return false }
    // Whoever trains it now holds its state in memory: only the next one reads the file.
    defer { if let victim { kill(victim) } }
    let path = site.store + "/" + file
    if truncating { return Glibc.truncate(path, 1000) == 0 }
    let descriptor = open(path, O_RDWR)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let size = lseek(descriptor, 0, SEEK_END)
    guard size > 64 else { return false }
    let place = off_t.random(in: 0..<size, using: &random)
    var byte: UInt8 = 0
    guard pread(descriptor, &byte, 1, place) == 1 else { return false }
    byte ^= 1 << UInt8.random(in: 0...7, using: &random)
    return pwrite(descriptor, &byte, 1, place) == 1
  }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
private struct SystemSeed: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
