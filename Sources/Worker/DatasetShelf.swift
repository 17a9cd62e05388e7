import Datasets
import Experiments
import Host
import JobQueue
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
      (self.digest, self.spec) = (digest, spec.withoutPlace)
    }
  }

  /// A set as one submission has described it.
  private struct Place: Hashable {
    let digest: String
    let spec: DatasetSpec
  }

  /// Why a set cannot be opened, and until when that is not tried again.
  private struct Refusal {
    let reason: String
    let until: ContinuousClock.Instant
  }

  private let folders: DataFolders
  private let logger: Logger
  private var refusals: [Place: Refusal] = [:]
  /// Where the files of a digest were found last. A file may have another name than when a stage was
  /// planned.
  private var found: [String: DatasetSpec] = [:]
  private var loaded: [(key: Key, dataset: Dataset)] = []
  /// Sets that are being read, for all stages that want them.
  private var loading: [DatasetSpec: Task<Result<Dataset, DatasetError>, Never>] = [:]

  /// Data sets kept in memory; a sweep uses one.
  private static let kept = 2

  /// Files that are absent or damaged now may be whole in a minute.
  static let refusalLasts = Duration.seconds(60)

  init(folders: DataFolders, logger: Logger) {
    self.folders = folders
    self.logger = logger
  }

  /// The wanted data sets whose files are here under one of their descriptions, and the reasons why others
  /// cannot be had. Nothing is opened: a set is read by the stage that trains on it.
  func survey(_ wanted: [WantedDataset]) async -> (present: [String], missing: [String: String]) {
    var present: Set<String> = []
    var missing: [String: String] = [:]
    for dataset in wanted {
      do {
        let spec = try DatasetSpec(checking: dataset.description)
        if let reason = await reason(against: Place(digest: dataset.digest, spec: spec)) {
          missing[dataset.digest] = reason
        } else {
          present.insert(dataset.digest)
        }
      } catch {
        missing[dataset.digest] = missing[dataset.digest] ?? "\(error)"
      }
    }
    return (present.sorted(), missing.filter { !present.contains($0.key) })
  }

  private func reason(against place: Place) async -> String? {
    if let refusal = refusals[place], refusal.until > .now { return refusal.reason }
    do {
      let (spec, folders) = (place.spec, folders)
      _ = try await blocking("looking for data") { () throws(DatasetError) in
        try spec.files(in: folders)
      }
      // A stage may have failed to read the set meanwhile.
      if let refusal = refusals[place], refusal.until > .now { return refusal.reason }
      refusals[place] = nil
      found[place.digest] = spec
      return nil
    } catch {
      refuse(place, because: "\(error)")
      return "\(error)"
    }
  }

  private func refuse(_ place: Place, because reason: String) {
    let isNews = refusals[place]?.reason != reason
    refusals[place] = Refusal(reason: reason, until: .now + DatasetShelf.refusalLasts)
    if isNews { logger.warning("a data set cannot be used", metadata: ["reason": "\(reason)"]) }
  }

  /// The data of this digest, from memory or from the files.
  func dataset(_ spec: DatasetSpec, digest: String) async throws(DatasetError) -> Dataset {
    let key = Key(spec, digest)
    if let found = loaded.first(where: { $0.key == key })?.dataset {
      try found.insist(on: digest, of: spec)
      return found
    }
    // Its own file first: the digest is compared, whichever is read.
    var place = spec
    if await reason(against: Place(digest: digest, spec: spec)) != nil, let other = found[digest] {
      place = spec.at(other)
    }
    // By path too: of two files with one content, one may be absent.
    let reading = loading[place] ?? read(place, digest, as: key)
    return try await reading.value.get()
  }

  /// Begins to read a set; stages that want it meanwhile wait for the same.
  private func read(_ spec: DatasetSpec, _ digest: String, as key: Key)
    -> Task<Result<Dataset, DatasetError>, Never>
  {
    let task = Task { [folders] in
      let result: Result<Dataset, DatasetError>
      do throws(DatasetError) {
        result = .success(
          try await blocking("reading data") { () throws(DatasetError) in
            try Dataset.load(spec, digest: digest, from: folders)
          })
      } catch {
        result = .failure(error)
      }
      finishReading(result, spec, digest, as: key)
      return result
    }
    loading[spec] = task
    return task
  }

  private func finishReading(
    _ result: Result<Dataset, DatasetError>, _ spec: DatasetSpec, _ digest: String, as key: Key
  ) {
    loading[spec] = nil
    switch result {
    case .success(let dataset):
      loaded.append((key, dataset))
      if loaded.count > DatasetShelf.kept { loaded.removeFirst() }
    case .failure(let error):
      refuse(Place(digest: digest, spec: spec), because: error.description)
      if let last = found[digest], last.words == spec.words { found[digest] = nil }
    }
  }
}
