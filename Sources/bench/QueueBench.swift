import ArgumentParser
import Foundation
import JobQueue
import Logging
import Postgres
import Values

/// What the queue does on this machine, on a throw-away cluster with durable commits.
struct QueueBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "queue",
    abstract: "Measures claims, finishes, notifications and the cost of idle workers.",
    discussion: """
      Stages of one grid are put into the tables, then worked off by connections that train nothing. \
      Everything is written with synchronous_commit = on.
      """)

  @Option(help: "Cases: cycles, depth, wake, held, idle, training, submit, status.")
  var cases: [Case] = Case.allCases
  @Option(help: "Seconds that a case is measured for.") var seconds = 10.0
  @Option(help: "Ready stages at which the latency of a claim is measured.") var depths = [
    1_000, 100_000, 1_000_000,
  ]
  @Option(help: "Connections that work stages off.") var connections = [1, 8, 32]
  @Option(help: "Seconds that a transaction is held open for the case `held`.") var hold = 600.0
  @Option(help: "Workers of the cases `idle` and `training`.") var workers = 1000
  @Option(help: "Runs of the cases `submit` and `status`.") var runs = 1_000_000
  @Option(help: "The home of an embedded database to use, and leave running.") var home: String?
  @Flag(help: "One JSON line a figure instead of text.") var json = false

  enum Case: String, ExpressibleByArgument, CaseIterable {
    case cycles, depth, wake, held, idle, training, submit, status
  }

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
          for apart in [false, true] {
            try await bench.fill(200_000)
            try await bench.cycles(
              "cycles, \(count) connections, \(apart ? "two transactions" : "one transaction")",
              count, seconds: seconds, apart: apart)
          }
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
        try await bench.held(connections: 8, seconds: hold)
      case .idle:
        try await bench.fill(0)
        try await bench.idle(workers: workers, seconds: max(seconds, 60), home: cluster.folder)
      case .training:
        try await bench.fill(8 * workers)
        try await bench.training(workers: workers, seconds: max(seconds, 30), home: cluster.folder)
      case .submit:
        try await bench.fill(0)
        try await bench.submit(runs: runs)
      case .status:
        try await bench.fill(runs)
        try await bench.status(measurements: 20 * runs)
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
