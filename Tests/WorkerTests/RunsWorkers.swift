import Datasets
import JobQueue
import Postgres
import TestSupport
import Worker

/// Suites that train through whole workers, in this process.
protocol RunsWorkers {}

extension RunsWorkers {
  func options(_ store: String, untilEmpty: Bool = true, data: [String] = []) -> WorkerOptions {
    WorkerOptions(
      slots: 2, threads: 2, grid: nil, untilEmpty: untilEmpty, checkpointEvery: .milliseconds(100),
      checkpoints: store, dataFolders: DataFolders(roots: data), version: "test")
  }

  /// Two slots, and leases that do not run out however slowly this machine goes.
  var settings: WorkerCore.Settings {
    var settings = WorkerCore.Settings(slots: 2, threads: 2)
    settings.lease = .seconds(3600)
    return settings
  }

  func work(
    _ queue: JobQueue, _ store: String, untilEmpty: Bool = true,
    settings: WorkerCore.Settings? = nil, data: [String] = []
  ) async throws {
    let settings = settings ?? self.settings
    try await WorkerService(
      options(store, untilEmpty: untilEmpty, data: data), target: queue.database.target,
      settings: settings,
      logger: quietLogger, news: { _ in }
    ).run()
  }
}
