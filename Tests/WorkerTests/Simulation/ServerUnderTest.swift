import Experiments
import JobQueue
import Postgres
import TestSupport
import Values

/// A real queue to which a simulation's events are put, on a clock that the test sets.
final class ServerUnderTest {
  private let queue: JobQueue
  /// The server's numbers, by the model's.
  private var stages: [Int] = []
  private var names: [String] = []
  private var places: [Int: Int] = [:]
  private var workers: [Int: Int] = [:]
  /// Of the model's stages, by name.
  private var digests: [String: String] = [:]
  /// By grid, as it was first submitted.
  private var submissions: [String: QueueModel.Submission] = [:]

  init() async throws {
    queue = try await TestCluster.queue()
    try await queue.stopClock()
    try await queue.register(store: "store-1", path: "/nowhere", host: "test")
  }

  func apply(_ event: QueueEvent, now: Int, model: QueueModel) async throws -> QueueReply {
    try await queue.setClock(milliseconds: now)
    switch event {
    case .submit(let submission): try await submit(submission, model)
    case .cancel(let grid, let run): _ = try await queue.cancel(grid: grid, run: named(run))
    case .retry(let grid, let run): _ = try await queue.retry(grid: grid, run: named(run))
    case .prioritize(let grid, let priority): _ = try await queue.setPriority(grid: grid, priority)
    case .pause(let grid, true): _ = try await queue.pause(grid: grid)
    case .pause(let grid, false): _ = try await queue.resume(grid: grid)
    case .unpark: _ = try await queue.unpark(grid: nil, stage: nil)
    case .registerWorker(let worker):
      workers[worker] = try await queue.register(
        worker: WorkerRow(
          name: "w\(worker)", host: "test", pid: 1, version: "test", fingerprint: "test", slots: 3,
          threads: 1, stores: ["store-1"]), patience: .none)
    case .claim(let worker, let slots):
      let claims = try await queue.claim(wish(worker, slots), lease: lease)
      return .claimed(claims.stages.map { known($0, model) })
    case .heartbeat(let worker, let held):
      let answer = try await queue.heartbeat(
        worker: workers[worker] ?? 0,
        held: held.map { HeldStage(server($0), ProgressRow()) }, idle: true, lease: lease,
        timeout: .seconds(60))
      return .judged(
        Dictionary(
          uniqueKeysWithValues: answer.verdicts.map {
            (Lease(stage: places[$0.0.stage] ?? -1, attempt: $0.0.attempt), $0.1)
          }))
    case .register(let lease, let samples):
      return .accepted(
        try await queue.registerCheckpoint(
          server(lease), checkpoint: checkpoint(lease, samples), measurements: [],
          progress: ProgressRow()))
    case .finish(let lease):
      let end = model.stages[lease.stage].end
      return .accepted(
        try await queue.finish(
          server(lease), checkpoint: checkpoint(lease, end), measurements: [],
          progress: ProgressRow()))
    case .finishAndClaim(let held, let worker, let slots):
      let end = model.stages[held.stage].end
      let (isOurs, claims) = try await queue.finish(
        server(held), checkpoint: checkpoint(held, end), measurements: [], progress: ProgressRow(),
        claiming: wish(worker, slots), for: lease)
      return .finished(isOurs, try claims.get().stages.map { known($0, model) })
    case .diverge(let lease):
      return .accepted(
        try await queue.diverge(
          server(lease), reason: "test", measurements: [], progress: ProgressRow()))
    case .fail(let lease, let permanent):
      return .accepted(
        try await queue.fail(
          server(lease), reason: "test", permanent: permanent, progress: ProgressRow()))
    case .release(let lease, let delay):
      return .accepted(
        try await queue.release(
          server(lease), reason: "test", delay: delay.map { .milliseconds($0) },
          progress: ProgressRow()))
    case .reportDamage(let lease, let number):
      let known = model.checkpoints[number]
      let id = try await queue.value(
        "select id from jobs.checkpoint where file = $1",
        [.text(file(known.stage, known.attempt, known.samples))])
      return .accepted(
        try await queue.reportDamage(
          server(lease), checkpoint: id.flatMap { Int($0) } ?? 0, reason: "test"))
    }
    return .done
  }

  /// What `QueueModel.picture` says of the model.
  func picture() async throws -> [String] {
    let back = Dictionary(uniqueKeysWithValues: workers.map { ($0.value, $0.key) })
    let rows = try await queue.database.query(
      """
      select s.id, s.state, s.priority, s.held, s.attempt, s.worker_id, s.failures, s.crashes,
        s.crash_streak, s.preemptions, (extract(epoch from s.not_before) * 1000)::bigint as later,
        s.checkpoint_id is not null as final,
        (select string_agg(coalesce(a.outcome, 'open'), ',' order by a.attempt)
         from jobs.attempt a where a.stage_id = s.id) as outcomes
      from jobs.stage s order by s.id
      """)
    return rows.map { row in
      let worker = row["worker_id"].flatMap { Int($0) }.map {
        back[$0].map(String.init) ?? "unknown"
      }
      return [
        names[places[Int(row["id"] ?? "") ?? 0] ?? 0], row["state"] ?? "",
        "priority \(row["priority"] ?? "")", row["held"] == "t" ? "held" : "free",
        "attempt \(row["attempt"] ?? "")", "worker \(worker ?? "none")",
        "failures \(row["failures"] ?? "")",
        "crashes \(row["crashes"] ?? "")/\(row["crash_streak"] ?? "")",
        "preemptions \(row["preemptions"] ?? "")", "not before \(row["later"] ?? "none")",
        "final \(row["final"] == "t")", "outcomes \(row["outcomes"] ?? "")",
      ].joined(separator: ", ")
    }
  }

  private func wish(_ worker: Int, _ slots: Int) -> ClaimRequest {
    .init(
      worker: workers[worker] ?? 0, slots: slots, datasets: [], stores: ["store-1"],
      memory: 1 << 30, grid: nil, threads: 1, fingerprint: "test")
  }

  /// A claim in the model's numbers.
  private func known(_ claim: ClaimedStage, _ model: QueueModel) -> QueueReply.Claimed {
    .init(
      lease: Lease(stage: places[claim.lease.stage] ?? -1, attempt: claim.lease.attempt),
      resume: claim.resume?.samples,
      checkpoint: claim.resume.flatMap { resume in
        model.checkpoints.firstIndex { file($0.stage, $0.attempt, $0.samples) == resume.file }
      })
  }

  // MARK: - Names and numbers

  private var lease: Duration { .milliseconds(QueueEvent.lease) }

  private func server(_ lease: Lease) -> Lease {
    Lease(stage: stages[lease.stage], attempt: lease.attempt)
  }

  private func file(_ stage: Int, _ attempt: Int, _ samples: Int) -> String {
    CheckpointRow.fileName(
      of: server(Lease(stage: stage, attempt: attempt)), "samples-\(samples)")
  }

  /// A run as the queue knows it: a setting with its only seed.
  private func named(_ run: String?) -> String? { run.map { $0 + ",seed=1" } }

  private func checkpoint(_ lease: Lease, _ samples: Int) -> CheckpointRow {
    let digest = Digest.sha256(of: "\(samples)")
    return CheckpointRow(
      store: "store-1", file: file(lease.stage, lease.attempt, samples), samples: samples,
      updates: samples, bytes: 1, digest: digest, fingerprint: "test", parametersDigest: digest)
  }

  private func submit(_ asked: QueueModel.Submission, _ model: QueueModel) async throws {
    // The same grid again says nothing new, and has the runs that it was first submitted with.
    let submission = submissions[asked.grid] ?? asked
    submissions[asked.grid] = submission
    let spec = SubmittedSpec(["ghost": 1])
    var numbers: [String: Int] = [:]
    var rows: [SubmittedStage] = []
    let settings = submission.runs.enumerated().map { position, run -> SubmittedSetting in
      var parent: Int?
      var laws: [(law: Law, until: Int)] = []
      for (name, end) in run.chain {
        let law = ServerUnderTest.law(of: name)
        laws.append((law, end))
        if numbers[name] == nil {
          numbers[name] = rows.count
          let identity = StageIdentity(spec: ["ghost": 1], laws: laws)
          digests[name] = identity.digest(seed: 1)
          var stage = SubmittedStage()
          (stage.number, stage.setting, stage.parent) = (rows.count, position, parent)
          (stage.identity, stage.spec, stage.law) = (identity.text, spec.digest, law.json)
          stage.memoryBytes = 1
          rows.append(stage)
        }
        parent = numbers[name]
      }
      var setting = SubmittedSetting()
      setting.number = position
      setting.name = run.name
      (setting.learningRate, setting.schedule, setting.optimizer) = (0.1, "constant", "sgd")
      setting.samplesPerEpoch = 400
      setting.chain = run.chain.compactMap { numbers[$0.name] }
      return setting
    }
    let header = Submission.header(
      name: submission.grid, contentDigest: Digest.sha256(of: submission.grid), document: [:],
      priority: submission.priority)
    _ = try await queue.submit(
      Submission(
        header: header.setting(["sets_priority"], to: false), specs: [spec], settings: settings,
        stages: rows, seeds: [1]))
    for index in stages.count..<model.stages.count {
      let name = model.stages[index].name
      let id = try await queue.value(
        "select id from jobs.stage where digest = $1", [Parameter(digests[name])])
      stages.append(id.flatMap { Int($0) } ?? -1)
      names.append(name)
      places[stages[index]] = index
    }
  }

  /// A name is a path of digits: each place in the path has a law of its own.
  private static func law(of name: String) -> Law {
    let rate = Rational(10 * name.count + (name.last?.wholeNumberValue ?? 0))
    return Law(batch: 1, momentum: nil, rate: RateLaw(base: rate))
  }
}
