import ArgumentParser
import Foundation
import JobQueue
import Logging
import Postgres
import Reports
import Values

/// How long the report of a large grid takes: reading, statistics, figures and page.
struct ReportBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Measures the report of a grid of many runs.")

  @Option(help: "Runs of the grid.") var runs = 10_000
  @Option(help: "Epochs of a run, each with a measurement.") var epochs = 200
  @Option(help: "Seeds of a setting.") var seeds = 500
  @Flag(help: "One JSON line instead of text.") var json = false

  func run() async throws {
    let folder = NSTemporaryDirectory() + "jobctl-bench-\(getpid())"
    let cluster = try LocalCluster(home: folder)
    try await cluster.ensureRunning()
    let result: Result<Void, any Error>
    do { result = .success(try await measure(cluster, folder)) } catch { result = .failure(error) }
    _ = try await cluster.stop()
    try? FileManager.default.removeItem(atPath: folder)
    try result.get()
  }

  private func measure(_ cluster: LocalCluster, _ folder: String) async throws {
    let database = Database(
      try cluster.target(), logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
    try await Migrator(database).migrate()
    try await fill(database)
    let start = ContinuousClock.now
    let found = try await JobQueue(database).grid("bench")
    let grid = try await GridReport.load([(found.id, found.name)], from: database)[0]
    let read = ContinuousClock.now
    let report = Report([grid], options: .init(margin: 0.005))
    let characters = report.text.count
    let figures = try await report.write(to: folder + "/report", madeBy: "bench")
    let end = ContinuousClock.now
    func seconds(_ from: ContinuousClock.Instant, _ to: ContinuousClock.Instant) -> JSON {
      .real(((to - from) / .milliseconds(1)).rounded() / 1000)
    }
    let figuresOf: [JSON.Member] = [
      .init("runs", .integer(grid.runs.count)), .init("measurements", .integer(runs * epochs)),
      .init("settings", .integer(report.settings.count)),
      .init("figures", .integer(figures)), .init("text_characters", .integer(characters)),
      .init("read_seconds", seconds(start, read)), .init("seconds", seconds(start, end)),
    ]
    print(
      json
        ? JSON.object([.init("case", "report")] + figuresOf).encoded()
        : "report: "
          + figuresOf.map { "\($0.key) \($0.value.encoded())" }.joined(separator: ", "))
  }

  /// Settings of learning rates and schedules, each run four stages of its own.
  private func fill(_ database: Database) async throws {
    let settings = runs / seeds
    try await database.withConnection { connection throws(PostgresError) in
      try await connection.run(
        script: """
          insert into jobs.spec(digest, document) values (repeat('0', 64), '{}');
          insert into jobs.store(id, path, host) values ('store', '/nowhere', 'bench');
          insert into jobs.grid(name, content_digest, document) values ('bench', repeat('0', 64), '{}');
          insert into jobs.run(grid_id, name, setting, position, seed, labels, learning_rate, schedule,
            optimizer, updates, samples, epochs, classes, samples_per_epoch)
          select 1, format('learning_rate=%s,schedule=%s,seed=%s', rate, schedule, k),
            format('learning_rate=%s,schedule=%s', rate, schedule), n * \(seeds) + k, k,
            jsonb_build_object('learning_rate', rate, 'schedule', schedule, 'seed', k), rate,
            schedule, 'momentum', 100 * \(epochs), 12800 * \(epochs), \(epochs), 10, 12800
          from (
            select n, 0.1 * (n / 4 + 1) as rate, (array['decay', 'hybrid', 'increase', 'constant'])
              [n % 4 + 1] as schedule from generate_series(0, \(settings) - 1) n) s,
            generate_series(1, \(seeds)) k;
          insert into jobs.stage(parent_id, digest, seed, spec_digest, numerics_version, memory_bytes, state,
            start_samples, end_samples, start_updates, updates, batch, ghost, learning_rate,
            learning_rate_end, law, epochs)
          select case when q > 0 then row_number() over (order by r.id, q) - 1 end,
            encode(sha256((r.id || '.' || q)::text::bytea), 'hex'), r.seed, repeat('0', 64), 1, 1,
            'blocked', r.samples / 4 * q, r.samples / 4 * (q + 1), r.updates / 4 * q, r.updates / 4,
            128, 128, 0.1, 0.1, '{}', r.epochs / 4
          from jobs.run r, generate_series(0, 3) q order by r.id, q;
          insert into jobs.run_stage(run_id, position, stage_id)
          select (s.id - 1) / 4 + 1, (s.id - 1) % 4 + 1, s.id from jobs.stage s;
          insert into jobs.checkpoint(stage_id, attempt, store_id, file, samples, updates, final, bytes,
            digest, fingerprint, parameters_digest)
          select id, 1, 'store', 's' || id, end_samples, updates, true, 1, digest, 'bench', digest
          from jobs.stage;
          update jobs.stage s set state = 'done', checkpoint_id = c.id
          from jobs.checkpoint c where c.stage_id = s.id;
          insert into jobs.measurement(stage_id, samples, attempt, epoch, updates, batch,
            learning_rate, train_loss, test_loss, test_accuracy, seconds)
          select s.id, s.start_samples + 12800 * k, 1, s.start_samples / 12800 + k,
            s.start_updates + 100 * k, 128, 0.1, 1 / (1 + k), 1, 0.9 + 0.01 * random(), k
          from jobs.stage s, generate_series(1, \(epochs) / 4) k;
          """)
      _ = try await connection.query("vacuum analyze")
    }
  }
}
