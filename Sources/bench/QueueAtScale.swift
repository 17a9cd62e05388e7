import Datasets
import Experiments
import Foundation
import JobQueue
import Logging
import Postgres
import Values

/// What is expensive where there are many: transactions that stay open, workers, runs, measurements.
extension QueueUnderLoad {
  /// Measures the throughput at the end of so many seconds of work, without and with an open transaction
  /// that keeps vacuum from removing rows, and reports the ratio. The sessions stay the same during the
  /// work, as those of workers do.
  func held(connections: Int, seconds: Double) async throws {
    let last = min(seconds, 20)
    var rates: [Double] = []
    var dead = 0
    for isHeld in [false, true] {
      // More than there is time for: a queue that has run empty is no queue.
      try await fill(Int(3000 * seconds) + 100_000)
      let sessions = try await sessions(connections)
      let holder = try await Connection.open(target)
      if isHeld {
        try await holder.query("begin isolation level repeatable read")
        try await holder.query("select count(*) from jobs.worker")
      }
      let first = try await work(sessions, seconds: last).rate
      _ = try await work(sessions, seconds: max(0, seconds - 2 * last))
      rates.append(try await work(sessions, seconds: last).rate)
      guard try await claim(sessions[0].queue, sessions[0].worker) != nil else { throw RanEmpty() }
      let rows = try await database().query(
        "select n_dead_tup from pg_stat_user_tables where relname = 'stage'")
      dead = Int(rows.single ?? "0") ?? 0
      if isHeld { try await holder.query("commit") }
      report(
        "\(Int(seconds)) s of work, \(isHeld ? "a transaction held open" : "none held open")",
        [
          .init("at_its_start_per_second", .real(tenth(first))),
          .init("at_its_end_per_second", .real(tenth(rates[rates.count - 1]))),
          .init("dead_stage_rows", .integer(dead)),
        ])
    }
    report(
      "a transaction held open for \(Int(seconds)) s",
      [.init("ratio", .real((rates[1] / rates[0] * 1000).rounded() / 1000))])
  }

  struct RanEmpty: Error, CustomStringConvertible {
    var description: String { "the queue ran empty before the time was over" }
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
  func serverSeconds(_ folder: String) -> Double {
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

  func tenth(_ value: Double) -> Double { (value * 10).rounded() / 10 }

  func quantiles(_ name: String, _ values: [Double]) -> [JSON.Member] {
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

  /// Workers with eight stages each that they beat for every three seconds, over 16 connections.
  func training(workers: Int, seconds: Double, home: String) async throws {
    let queues = (0..<16).map { _ in JobQueue(database()) }
    var held: [(worker: Int, stages: [HeldStage])] = []
    for number in 0..<workers {
      let id = try await worker(queues[0], number, slots: 8)
      let stages = try await queues[0].claim(
        .init(
          worker: id, slots: 8, datasets: [], stores: ["store"], memory: 1 << 30, grid: nil,
          threads: 1, fingerprint: "bench"), lease: .seconds(3600)
      ).stages
      held.append(
        (id, stages.map { HeldStage($0.lease, ProgressRow(updates: 1, samples: 128)) }))
    }
    let (start, cpu) = (ContinuousClock.now, serverSeconds(home))
    let latencies = try await withThrowingTaskGroup(of: [Double].self) { group in
      for (index, queue) in queues.enumerated() {
        let mine = held.enumerated().filter { $0.offset % queues.count == index }.map(\.element)
        group.addTask { [held = mine] in
          var latencies: [Double] = []
          var next = 0
          while (ContinuousClock.now - start) / .seconds(1) < seconds {
            // Each worker once in three seconds.
            try await Task.sleep(until: start + .seconds(3 * Double(next) / Double(held.count)))
            let worker = held[next % held.count]
            let sent = ContinuousClock.now
            let answer = try await queue.heartbeat(
              worker: worker.worker, held: worker.stages, idle: false, lease: .seconds(10),
              timeout: .seconds(10))
            latencies.append((ContinuousClock.now - sent) / .milliseconds(1))
            guard answer.verdicts.allSatisfy({ $0.1 == .hold }) else { throw Refused() }
            next += 1
          }
          return latencies
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    let took = (ContinuousClock.now - start) / .seconds(1)
    report(
      "\(workers) training workers, 8 stages each",
      [
        .init("heartbeats_per_second", .real(tenth(Double(latencies.count) / took))),
        .init("server_cores", .real(((serverSeconds(home) - cpu) / took * 1e4).rounded() / 1e4)),
      ] + quantiles("heartbeat_ms", latencies))
  }

  /// A grid file of so many seeds, read, planned and submitted; then asked for its state.
  func submit(runs: Int) async throws {
    let text = """
      {"name": "submitted", "dataset": {"name": "synthetic", "train": 1280}, "network": "mlp", "epochs": 1,
       "optimizer": {"name": "sgd", "learning_rate": 0.1}, "batch": {"size": 128},
       "schedule": "constant", "seeds": [\((1...runs).map(String.init).joined(separator: ","))]}
      """
    let start = ContinuousClock.now
    let plan = try Plan(Grid(parsing: text)) { dataset throws(InvalidDocument) in
      guard let facts = dataset.publishedFacts else {
        throw InvalidDocument([Problem("dataset", "is not built in")])
      }
      return facts
    }
    let planned = ContinuousClock.now
    let reply = try await JobQueue(database()).submit(
      Submission(plan, priority: nil) { _ in 1 << 20 })
    let submitted = ContinuousClock.now
    report(
      "\(runs) runs of a stage each, submitted from one file",
      [
        .init("created", .integer(reply.created)),
        .init("plan_seconds", .real(tenth((planned - start) / .seconds(1)))),
        .init("submit_seconds", .real(tenth((submitted - planned) / .seconds(1)))),
        .init("seconds", .real(tenth((submitted - start) / .seconds(1)))),
        .init(
          "stages_per_second",
          .real((Double(reply.created) / ((submitted - start) / .seconds(1))).rounded())),
      ])
    try await state("state just after it")
  }

  /// The state of a queue with all of its runs and so many measurements, and the progress of its grids.
  func status(measurements: Int) async throws {
    let each = try await database().query(
      "select \(measurements) / greatest(count(*), 1) from jobs.stage")
    try await database().withConnection { connection throws(PostgresError) in
      try await connection.run(
        script: """
          truncate jobs.measurement;
          insert into jobs.measurement(stage_id, samples, attempt, epoch, updates, batch,
            learning_rate, train_loss, test_loss, test_accuracy, seconds)
          select s.id, 640 * k, 1, 0.05 * k, 5 * k, 128, 0.1, 1, 1, 0.5, k
          from jobs.stage s, generate_series(1, \(each.single ?? "0")) k;
          """)
      _ = try await connection.query("vacuum analyze")
    }
    try await state("state of the queue with \(measurements) measurements")
    let start = ContinuousClock.now
    _ = try await database().query("select * from report.progress")
    report(
      "progress of its grids, as watch asks for it",
      [.init("ms", .real(tenth((ContinuousClock.now - start) / .milliseconds(1))))])
  }

  private func state(_ name: String) async throws {
    var latencies: [Double] = []
    for _ in 0..<20 {
      let sent = ContinuousClock.now
      // As a new process asks: a connection of its own.
      _ = try await JobQueue(database()).state(grid: nil)
      latencies.append((ContinuousClock.now - sent) / .milliseconds(1))
    }
    report(name, quantiles("ms", latencies))
  }
}
