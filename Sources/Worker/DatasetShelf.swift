import Datasets
import Experiments
import Logging

/// The data sets of a worker: which ones it has, and those that are in memory.
actor DatasetShelf {
  private let folders: DataFolders
  private let logger: Logger
  private var present: Set<String> = []
  private var absentUntil: [String: ContinuousClock.Instant] = [:]
  private var loaded: [(spec: DatasetSpec, dataset: Dataset)] = []

  /// Data sets kept in memory; a sweep uses one.
  private static let kept = 2

  init(folders: DataFolders, logger: Logger) {
    self.folders = folders
    self.logger = logger
  }

  /// The digests of those data sets that are wanted and here. What is absent is looked for again
  /// after a minute.
  func have(of wanted: [(digest: String, description: JSON)]) -> [String] {
    for (digest, description) in wanted where !present.contains(digest) {
      if let until = absentUntil[digest], until > .now { continue }
      do {
        var problems: [Problem] = []
        let spec = DatasetSpec(checking: description, problems: &problems)
        guard problems.isEmpty else { throw InvalidGrid(problems) }
        _ = try dataset(spec, digest: digest)
        present.insert(digest)
      } catch {
        absentUntil[digest] = .now + .seconds(60)
        logger.warning("a data set that is wanted is not here", metadata: ["reason": "\(error)"])
      }
    }
    return present.sorted()
  }

  func dataset(_ spec: DatasetSpec, digest: String?) throws -> Dataset {
    if let index = loaded.firstIndex(where: { $0.spec == spec }) { return loaded[index].dataset }
    let dataset = try Dataset.load(spec, digest: digest, from: folders)
    loaded.append((spec, dataset))
    if loaded.count > DatasetShelf.kept { loaded.removeFirst() }
    return dataset
  }
}
