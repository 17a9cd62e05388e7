import Experiments
import Foundation
import JobQueue
import Logging
import Postgres
import Values

/// A queue with stages and connections that claim and finish them, and train nothing.
struct QueueUnderLoad {
  let target: ConnectionTarget
  let report: @Sendable (String, [JSON.Member]) -> Void

  init(
    target: ConnectionTarget, report: @escaping @Sendable (String, [JSON.Member]) -> Void
  ) {
    self.target = target
    self.report = report
  }

  func database() -> Database {
    Database(target, logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
  }

  func prepare() async throws {
    let database = database()
    try await Migrator(database).migrate()
    let facts = try await database.query(
      "select current_setting('server_version') as v, current_setting('synchronous_commit') as s")
    let row = facts.map { $0 }.first
    report(
      "server",
      [
        .init("version", .string(row?["v"] ?? "")),
        .init("synchronous_commit", .string(row?["s"] ?? "")),
        .init("cores", .integer(ProcessInfo.processInfo.activeProcessorCount)),
      ])
    try await JobQueue(database).register(store: "store", path: "/nowhere", host: "bench")
  }

  /// One grid of so many runs of a ready stage each, and nothing else.
  func fill(_ count: Int) async throws {
    try await database().withConnection { connection throws(PostgresError) in
      try await connection.run(
        script: """
          truncate jobs.grid, jobs.run, jobs.run_stage, jobs.stage, jobs.spec, jobs.attempt,
            jobs.checkpoint, jobs.measurement, jobs.worker, jobs.event;
          insert into jobs.spec(digest, document) values (repeat('0', 64), '{}');
          insert into jobs.grid(name, content_digest, document) values ('bench', repeat('0', 64), '{}');
          insert into jobs.run(grid_id, name, position, seed, labels, learning_rate, schedule,
            optimizer, updates, samples, epochs)
          select (select id from jobs.grid), 'seed=' || i, i, i, '{}', 0.1, 'constant', 'sgd', 100,
            12800, 1 from generate_series(1, \(count)) i;
          insert into jobs.stage(digest, seed, spec_digest, numerics_version, memory_bytes, state,
            start_samples, end_samples, start_updates, updates, batch, ghost, learning_rate,
            learning_rate_end, law, epochs)
          select encode(sha256(i::text::bytea), 'hex'), i, repeat('0', 64), \(numericsVersion), 1,
            'ready', 0, 12800, 0, 100, 128, 128, 0.1, 0.1, '{}', 1
          from generate_series(1, \(count)) i;
          insert into jobs.run_stage(run_id, position, stage_id)
          select r.id, 1, s.id
          from (select id, row_number() over (order by id) as n from jobs.run) r
          join (select id, row_number() over (order by id) as n from jobs.stage) s using (n);
          """)
      // Not inside of a transaction.
      _ = try await connection.query("vacuum analyze")
      _ = try await connection.query("checkpoint")
    }
  }

  func worker(_ queue: JobQueue, _ number: Int, slots: Int = 1) async throws -> Int {
    try await queue.register(
      worker: WorkerRow(
        name: "bench-\(number)", host: "bench", pid: number, version: "bench",
        fingerprint: "bench", slots: slots, threads: 1, stores: ["store"]), patience: .none)
  }

  private static let lease = Duration.seconds(10)

  private func wish(_ worker: Int) -> ClaimRequest {
    .init(
      worker: worker, slots: 1, datasets: [], stores: ["store"], memory: 1 << 30, grid: nil,
      threads: 1, fingerprint: "bench")
  }

  func claim(_ queue: JobQueue, _ worker: Int) async throws -> ClaimedStage? {
    try await queue.claim(wish(worker), lease: QueueUnderLoad.lease).stages.first
  }

  private func checkpoint(_ stage: ClaimedStage) -> CheckpointRow {
    CheckpointRow(
      store: "store", file: CheckpointRow.fileName(of: stage.lease, "end"), samples: stage.end,
      updates: stage.updates, bytes: 1, digest: stage.digest, fingerprint: "bench",
      parametersDigest: stage.digest)
  }

  private func progress(_ stage: ClaimedStage) -> ProgressRow {
    ProgressRow(updates: stage.updates, samples: stage.end, seconds: 1)
  }

  func finish(_ queue: JobQueue, _ stage: ClaimedStage) async throws -> Bool {
    try await queue.finish(
      stage.lease, checkpoint: checkpoint(stage), measurements: [], progress: progress(stage))
  }

  /// As a worker does whose slot goes from one stage to the next.
  private func next(
    _ queue: JobQueue, _ worker: Int, after stage: ClaimedStage
  ) async throws -> ClaimedStage? {
    let (isOurs, claimed) = try await queue.finish(
      stage.lease, checkpoint: checkpoint(stage), measurements: [], progress: progress(stage),
      claiming: wish(worker), for: QueueUnderLoad.lease)
    guard isOurs else { throw Refused() }
    return try claimed.get().stages.first
  }

  /// A connection with the number of its worker.
  typealias Session = (queue: JobQueue, worker: Int)

  func sessions(_ count: Int) async throws -> [Session] {
    var sessions: [Session] = []
    for number in 0..<count {
      let queue = JobQueue(database())
      sessions.append((queue, try await worker(queue, number)))
    }
    return sessions
  }

  /// A worker with stages says every three seconds that it lives.
  private static let heartbeat = Duration.seconds(3)

  /// From one stage to the next side by side, with heartbeats as workers send them: cycles a second, and
  /// how long each took, in milliseconds. A cycle is one transaction, or a claim and a finish of their own.
  func work(
    _ sessions: [Session], seconds: Double, apart: Bool = false
  ) async throws -> (rate: Double, cycles: [Double]) {
    let start = ContinuousClock.now
    let end = start + .seconds(seconds)
    let cycles = try await withThrowingTaskGroup(of: [Double].self) { group in
      for (queue, worker) in sessions {
        group.addTask(executorPreference: try await queue.database.executor()) {
          var latencies: [Double] = []
          var nextHeartbeat = start + QueueUnderLoad.heartbeat
          var current = try await claim(queue, worker)
          while let stage = current {
            let sent = ContinuousClock.now
            if sent >= end {
              guard try await finish(queue, stage) else { throw Refused() }
              break
            }
            if sent >= nextHeartbeat {
              try await beat(queue, worker, stage)
              nextHeartbeat += QueueUnderLoad.heartbeat
            }
            if apart {
              guard try await finish(queue, stage) else { throw Refused() }
              current = try await claim(queue, worker)
            } else {
              current = try await next(queue, worker, after: stage)
            }
            latencies.append((ContinuousClock.now - sent) / .milliseconds(1))
          }
          return latencies
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    return (Double(cycles.count) / ((ContinuousClock.now - start) / .seconds(1)), cycles)
  }

  private func beat(_ queue: JobQueue, _ worker: Int, _ stage: ClaimedStage) async throws {
    let answer = try await queue.heartbeat(
      worker: worker, held: [HeldStage(stage.lease, progress(stage))], idle: false,
      lease: QueueUnderLoad.lease, timeout: .seconds(10))
    guard answer.isKnown, answer.verdicts.allSatisfy({ $0.1 == .hold }) else { throw Refused() }
  }

  struct Refused: Error, CustomStringConvertible {
    var description: String { "a finish was refused that nobody had fenced" }
  }

  func cycles(_ name: String, _ connections: Int, seconds: Double, apart: Bool) async throws {
    let (rate, cycles) = try await work(
      try await sessions(connections), seconds: seconds, apart: apart)
    report(
      name, [.init("cycles_per_second", .real(tenth(rate)))] + quantiles("cycle_ms", cycles))
  }

  /// The latency of a claim in front of so many ready stages.
  func claims(depth: Int) async throws {
    let queue = JobQueue(database())
    let worker = try await worker(queue, 0)
    var latencies: [Double] = []
    for round in 0..<min(depth, 550) {
      let sent = ContinuousClock.now
      guard try await claim(queue, worker) != nil else { break }
      // The first ones read the tables and plan the statements.
      if round >= 50 { latencies.append((ContinuousClock.now - sent) / .milliseconds(1)) }
    }
    report(
      "claim before \(depth) ready stages",
      [.init("ready", .integer(depth))] + quantiles("claim_ms", latencies))
  }

  /// From a stage becoming ready to its claim by a worker that idles.
  func wake(rounds: Int) async throws {
    let queue = JobQueue(database())
    let number = try await worker(queue, 0)
    let listener = try await Connection.open(target)
    try await listener.listen("jobctl_ready")
    let submitter = JobQueue(database())
    var (latencies, whole) = ([Double](), [Double]())
    for round in 0..<rounds {
      async let woken = Task {
        while try await !listener.waitForNotification(.seconds(5)) {}
        let stage = try await claim(queue, number)
        return (ContinuousClock.now, stage)
      }.value
      try await Task.sleep(for: .milliseconds(5))
      let sent = ContinuousClock.now
      _ = try await submitter.submit(oneStage("wake\(round)"))
      let submitted = ContinuousClock.now
      let (at, stage) = try await woken
      guard let stage else { throw Refused() }
      latencies.append(max(0, (at - submitted) / .milliseconds(1)))
      whole.append((at - sent) / .milliseconds(1))
      _ = try await finish(queue, stage)
    }
    report(
      "submitted to claimed by an idle worker",
      quantiles("ms", latencies) + quantiles("with_the_submission_ms", whole).dropFirst())
  }

  func oneStage(_ name: String) -> Submission {
    let spec = SubmittedSpec(["ghost": 128])
    let law = Law(batch: 128, momentum: nil, rate: RateLaw(base: Rational("0.1") ?? .one))
    var setting = SubmittedSetting()
    (setting.learningRate, setting.schedule, setting.optimizer) = (0.1, "constant", "sgd")
    (setting.classes, setting.samplesPerEpoch, setting.chain) = (10, 12_800, [0])
    var stage = SubmittedStage()
    stage.identity =
      StageIdentity(spec: ["ghost": 128], laws: [(law, 12_800)], owner: name).text
    (stage.spec, stage.law, stage.memoryBytes) = (spec.digest, law.json, 1)
    return Submission(
      header: Submission.header(
        name: name, contentDigest: Digest.sha256(of: name), document: [:], priority: nil),
      specs: [spec], settings: [setting], stages: [stage], seeds: [1])
  }
}
