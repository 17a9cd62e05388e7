import Datasets
import Experiments
import Logging
import Values

/// The data sets of a worker: which ones it may have, and those that are in memory. A set is known by
/// the digest of its content, wherever its files are and whatever they become.
actor DatasetShelf {
  /// The content, and what is made of it.
  private struct Key: Hashable {
    let digest: String
    let spec: DatasetSpec

    init(_ spec: DatasetSpec, _ digest: String) {
      var content = spec
      content.path = nil
      (self.digest, self.spec) = (digest, content)
    }
  }

  /// Why a set cannot be opened, and until when that is not tried again.
  private struct Refusal {
    let reason: String
    let until: ContinuousClock.Instant
  }

  private let folders: DataFolders
  private let logger: Logger
  private var refusals: [String: Refusal] = [:]
  private var loaded: [(key: Key, dataset: Dataset)] = []

  /// Data sets kept in memory; a sweep uses one.
  private static let kept = 2

  /// Files that are absent or damaged now may be whole in a minute.
  private static let refusalLasts = Duration.seconds(60)

  init(folders: DataFolders, logger: Logger) {
    self.folders = folders
    self.logger = logger
  }

  /// The wanted data sets whose files are here, and the reasons why others cannot
  /// be had. Nothing is opened: a set is read by the stage that trains on it.
  func survey(_ wanted: [(digest: String, description: JSON)])
    -> (present: [String], missing: [String: String])
  {
    var present: [String] = []
    var missing: [String: String] = [:]
    for (digest, description) in wanted {
      if let reason = reason(against: digest, description) {
        missing[digest] = reason
      } else {
        present.append(digest)
      }
    }
    return (present.sorted(), missing)
  }

  private func reason(against digest: String, _ description: JSON) -> String? {
    if let refusal = refusals[digest], refusal.until > .now { return refusal.reason }
    do {
      var problems: [Problem] = []
      let spec = DatasetSpec(checking: description, problems: &problems)
      guard problems.isEmpty else { throw InvalidDocument(problems) }
      _ = try spec.files(in: folders)
      refusals[digest] = nil
      return nil
    } catch {
      refuse(digest, because: "\(error)")
      return "\(error)"
    }
  }

  private func refuse(_ digest: String, because reason: String) {
    let isNews = refusals[digest]?.reason != reason
    refusals[digest] = Refusal(reason: reason, until: .now + DatasetShelf.refusalLasts)
    if isNews { logger.warning("a data set cannot be used", metadata: ["reason": "\(reason)"]) }
  }

  /// The data of this digest, from memory or from the files.
  func dataset(_ spec: DatasetSpec, digest: String) throws(DatasetError) -> Dataset {
    let key = Key(spec, digest)
    if let found = loaded.first(where: { $0.key == key })?.dataset {
      try found.insist(on: digest, of: spec)
      return found
    }
    let dataset: Dataset
    do throws(DatasetError) {
      dataset = try Dataset.load(spec, digest: digest, from: folders)
    } catch {
      refuse(digest, because: error.description)
      throw error
    }
    loaded.append((key, dataset))
    if loaded.count > DatasetShelf.kept { loaded.removeFirst() }
    return dataset
  }
}
