import Datasets

/// How a worker is set up.
package struct WorkerOptions: Sendable {
  package var slots: Int
  /// Cores shared among the slots.
  package var threads: Int
  package var grid: String?
  package var untilEmpty: Bool
  package var checkpointEvery: Duration
  package var checkpoints: String
  package var dataFolders: DataFolders
  package var version: String
  /// How programs of users' own run; nil: none do.
  package var trainers: TrainerOptions?

  package init(
    slots: Int, threads: Int, grid: String?, untilEmpty: Bool, checkpointEvery: Duration,
    checkpoints: String, dataFolders: DataFolders, version: String,
    trainers: TrainerOptions? = nil
  ) {
    self.slots = slots
    self.threads = threads
    self.grid = grid
    self.untilEmpty = untilEmpty
    self.checkpointEvery = checkpointEvery
    self.checkpoints = checkpoints
    self.dataFolders = dataFolders
    self.version = version
    self.trainers = trainers
  }
}
