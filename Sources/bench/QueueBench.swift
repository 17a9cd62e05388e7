import ArgumentParser
import Experiments
import Foundation
import JobQueue
import Logging
import Postgres

/// What the queue does on this machine, on a throw-away cluster with durable commits.
struct QueueBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "queue",
    abstract: "Measures claims, finishes, notifications and the cost of idle workers.",
    discussion: """
      Stages of one grid are put into the tables, then worked off by connections that train nothing. \
      Everything is written with synchronous_commit = on.
      """)

  @Option(help: "Cases: cycles, depth, wake, held, idle.") var cases: [Case] = Case.allCases
  @Option(help: "Seconds that a case is measured for.") var seconds = 10.0
  @Option(help: "Ready stages at which the latency of a claim is measured.") var depths = [
    1_000, 100_000, 1_000_000,
  ]
  @Option(help: "Connections that work stages off.") var connections = [1, 8, 32]
  @Option(help: "Seconds that a transaction is held open for the case `held`.") var hold = 60.0
  @Option(help: "Workers of the case `idle`.") var workers = 1000
  @Option(help: "The home of an embedded database to use, and leave running.") var home: String?
  @Flag(help: "One JSON line a figure instead of text.") var json = false

  enum Case: String, ExpressibleByArgument, CaseIterable { case cycles, depth, wake, held, idle }

  func run() async throws {
    let temporary = NSTemporaryDirectory() + "jobctl-bench-\(getpid())"
    let cluster = try LocalCluster(home: home ?? temporary)
    try await cluster.ensureRunning()
    // A database of its own: what is in a home's is somebody's.
    let name = "jobctl_bench"
    let connection = try await Connection.open(try cluster.target())
    if try await connection.query("select from pg_database where datname = '\(name)'").count == 0 {
      try await connection.query("create database \(name)")
    }
    let target = try ConnectionTarget(
      try cluster.target().string.replacing("dbname=jobctl", with: "dbname=\(name)"))
    let bench = QueueUnderLoad(target: target, report: report)
    let result = await Result { try await measure(bench, cluster) }
    if home == nil {
      _ = try await cluster.stop()
      try? FileManager.default.removeItem(atPath: temporary)
    }
    try result.get()
  }

  private func measure(_ bench: QueueUnderLoad, _ cluster: LocalCluster) async throws {
    try await bench.prepare()
    for each in cases {
      switch each {
      case .cycles:
        for count in connections {
          try await bench.fill(200_000)
          try await bench.cycles("cycles, \(count) connections", count, seconds: seconds)
        }
      case .depth:
        for depth in depths {
          try await bench.fill(depth)
          try await bench.claims(depth: depth)
        }
      case .wake:
        try await bench.fill(0)
        try await bench.wake(rounds: 200)
      case .held:
        try await bench.fill(1_000_000)
        try await bench.held(connections: 8, seconds: hold)
      case .idle:
        try await bench.fill(0)
        try await bench.idle(workers: workers, seconds: max(seconds, 60), home: cluster.folder)
      }
    }
  }

  private func report(_ name: String, _ figures: [JSON.Member]) {
    if json {
      print(JSON.object([.init("case", .string(name))] + figures).encoded())
    } else {
      print(name + ": " + figures.map { "\($0.key) \($0.value.encoded())" }.joined(separator: ", "))
    }
    fflush(nil)
  }
}

extension Result where Failure == any Error {
  fileprivate init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}

private struct QueueUnderLoad {
  let target: ConnectionTarget
  let report: @Sendable (String, [JSON.Member]) -> Void

  init(
    target: ConnectionTarget, report: @escaping @Sendable (String, [JSON.Member]) -> Void
  ) {
    self.target = target
    self.report = report
  }

  private func database() -> Database {
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
          truncate jobs.grid, jobs.stage, jobs.spec, jobs.worker, jobs.event cascade;
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

  private func worker(_ queue: JobQueue, _ number: Int) async throws -> Int {
    try await queue.register(
      worker: [
        "name": .string("bench-\(number)"), "host": "bench", "pid": .integer(number),
        "version": "bench", "numerics_version": .integer(numericsVersion), "fingerprint": "bench",
        "slots": 1, "threads": 1, "stores": ["store"],
      ], patience: .none)
  }

  private func claim(_ queue: JobQueue, _ worker: Int) async throws -> ClaimedStage? {
    try await queue.claim(
      .init(
        worker: worker, slots: 1, datasets: [], stores: ["store"], memory: 1 << 30, grid: nil,
        threads: 1, fingerprint: "bench"), lease: .seconds(10)
    ).first
  }

  private func finish(_ queue: JobQueue, _ stage: ClaimedStage) async throws -> Bool {
    try await queue.finish(
      stage.lease,
      checkpoint: [
        "store": "store", "file": .string("s\(stage.lease.stage)-a\(stage.lease.attempt)"),
        "samples": .integer(stage.end), "updates": .integer(stage.updates), "bytes": 1,
        "digest": .string(stage.digest), "fingerprint": "bench",
        "parameters_digest": .string(stage.digest),
      ], measurements: [],
      totals: ["updates": .integer(stage.updates), "samples": .integer(stage.end), "seconds": 1])
  }

  /// Claims and finishes side by side; cycles a second.
  private func work(connections: Int, seconds: Double) async throws -> (
    rate: Double, claims: [Double]
  ) {
    let end = ContinuousClock.now + .seconds(seconds)
    let start = ContinuousClock.now
    let counts = try await withThrowingTaskGroup(of: [Double].self) { group in
      for number in 0..<connections {
        group.addTask {
          let queue = JobQueue(database())
          let worker = try await worker(queue, number)
          var latencies: [Double] = []
          while ContinuousClock.now < end {
            let sent = ContinuousClock.now
            guard let stage = try await claim(queue, worker) else { break }
            latencies.append((ContinuousClock.now - sent) / .milliseconds(1))
            guard try await finish(queue, stage) else { throw Refused() }
          }
          return latencies
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    return (Double(counts.count) / ((ContinuousClock.now - start) / .seconds(1)), counts)
  }

  struct Refused: Error, CustomStringConvertible {
    var description: String { "a finish was refused that nobody had fenced" }
  }

  func cycles(_ name: String, _ connections: Int, seconds: Double) async throws {
    let (rate, claims) = try await work(connections: connections, seconds: seconds)
    report(
      name,
      [.init("cycles_per_second", .real(tenth(rate)))] + quantiles("claim_ms", claims))
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

  private func oneStage(_ name: String) -> Submission {
    let digest = Digest.sha256(of: name)
    return Submission(
      header: Submission.header(
        name: name, contentDigest: digest, document: [:], priority: nil),
      specs: [[.text(digest), "{}"]],
      settings: [
        [
          0, "", "{}", .real(0.1), "constant", "sgd", .null, 100, 12800, 1, 10,
          12800, .integers([0]),
        ]
      ],
      stages: [
        [
          0, 0, .null, .text(digest), .null, .integer(numericsVersion), 1, .bool(false), 0, 12800,
          0, 100, 128, 128, .real(0.1), .real(0.1), "{}", .null, .null, .null, 1,
        ]
      ], seeds: [1], digest: { _, _ in digest })
  }

  /// Throughput while somebody's transaction keeps vacuum from removing anything.
  func held(connections: Int, seconds: Double) async throws {
    let before = try await work(connections: connections, seconds: min(seconds, 20)).rate
    let holder = try await Connection.open(target)
    try await holder.query("begin isolation level repeatable read")
    try await holder.query("select count(*) from jobs.worker")
    _ = try await work(connections: connections, seconds: max(0, seconds - 20))
    let during = try await work(connections: connections, seconds: min(seconds, 20)).rate
    let dead = try await database().query(
      "select n_dead_tup from pg_stat_user_tables where relname = 'stage'")
    try await holder.query("commit")
    report(
      "a transaction held open for \(Int(seconds)) s",
      [
        .init("before_per_second", .real(tenth(before))),
        .init("at_its_end_per_second", .real(tenth(during))),
        .init("ratio", .real((during / before * 1000).rounded() / 1000)),
        .init("dead_stage_rows", .integer(Int(dead.single ?? "0") ?? 0)),
      ])
  }

  /// Workers that wait for work, over a few connections: registered, each beating every 30 s, and all
  /// together looking for work five times a second, as `WorkerCore` has them do.
  func idle(workers: Int, seconds: Double, home: String) async throws {
    let queues = (0..<8).map { _ in JobQueue(database()) }
    var numbers: [Int] = []
    for number in 0..<workers { numbers.append(try await worker(queues[0], number)) }
    let start = ContinuousClock.now
    let cpu = serverSeconds(home)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, queue) in queues.enumerated() {
        let mine = numbers.enumerated().filter { $0.offset % queues.count == index }.map(\.element)
        group.addTask {
          var next = 0
          var looks = 0.0
          while (ContinuousClock.now - start) / .seconds(1) < seconds {
            // Each worker once in 30 s.
            let due = start + .seconds(30 * Double(next) / Double(mine.count))
            try await Task.sleep(until: due)
            let worker = mine[next % mine.count]
            _ = try await queue.heartbeat(
              worker: worker, held: [], idle: true, lease: .seconds(10), timeout: .seconds(10))
            next += 1
            let passed = (ContinuousClock.now - start) / .seconds(1)
            while looks < passed * 5 / Double(queues.count) {
              _ = try await queue.datasetsWanted()
              _ = try await claim(queue, worker)
              looks += 1
            }
          }
        }
      }
      try await group.waitForAll()
    }
    let took = (ContinuousClock.now - start) / .seconds(1)
    report(
      "\(workers) idle workers",
      [
        .init("workers", .integer(workers)),
        .init("server_cores", .real(((serverSeconds(home) - cpu) / took * 1e4).rounded() / 1e4)),
      ])
  }

  /// Seconds of processor time that the server's processes have taken.
  private func serverSeconds(_ folder: String) -> Double {
    let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
    guard
      let text = try? String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8),
      let parent = text.split(separator: "\n").first.flatMap({ Int($0) }),
      let processes = try? FileManager.default.contentsOfDirectory(atPath: "/proc")
    else { return 0 }
    return processes.compactMap { Int($0) }.reduce(0.0) { sum, pid in
      guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
        let rest = stat.split(separator: ")").last
      else { return sum }
      let fields = rest.split(separator: " ")
      // After the name: state, parent, ...; user and system time are the 12th and 13th, those of
      // children that have ended the next two.
      guard fields.count > 15, pid == parent || Int(fields[1]) == parent else { return sum }
      let own = pid == parent ? 11...14 : 11...12
      return sum + own.reduce(0.0) { $0 + (Double(fields[$1]) ?? 0) } / ticks
    }
  }

  private func tenth(_ value: Double) -> Double { (value * 10).rounded() / 10 }

  private func quantiles(_ name: String, _ values: [Double]) -> [JSON.Member] {
    guard !values.isEmpty else { return [] }
    let sorted = values.sorted()
    func at(_ share: Double) -> JSON {
      .real((sorted[Int(share * Double(sorted.count - 1))] * 1000).rounded() / 1000)
    }
    return [
      .init("count", .integer(values.count)), .init("p50_\(name)", at(0.5)),
      .init("p99_\(name)", at(0.99)),
    ]
  }
}
