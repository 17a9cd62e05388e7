import Experiments
import Values

/// From a description to a data set in memory, whatever its kind.
extension Dataset {
  /// Loads a data set and, where a digest is given, insists on it.
  package static func load(
    _ spec: DatasetSpec, digest: String? = nil, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let dataset = try spec.reader.load(spec, digest: digest, from: folders)
    if let digest { try dataset.insist(on: digest, of: spec) }
    return dataset
  }

  /// Throws where the data are not those of this digest.
  package func insist(on digest: String, of spec: DatasetSpec) throws(DatasetError) {
    try spec.insist(facts.digest ?? "none", is: digest)
  }
}

extension DatasetSpec {
  /// Reads a description from outside: its shape is checked first.
  package init(checking node: JSON) throws(InvalidDocument) {
    self = try DatasetVocabulary.all.spec(of: node)
  }

  var reader: any DatasetKind {
    guard let reader = kind as? any DatasetKind else {
      preconditionFailure("the data set \(name) can be described and not be read")
    }
    return reader
  }

  /// Throws where the content is not what was planned.
  func insist(_ found: String, is expected: String?) throws(DatasetError) {
    guard let expected, found != expected else { return }
    throw .differs(dataset: words, expected: expected, found: found)
  }

  /// The files of the set, found but not opened; none of data that are made up.
  package func files(in folders: DataFolders) throws(DatasetError) -> [String] {
    try reader.files(of: self, in: folders)
  }

  private var isMadeUp: Bool { kind.isMadeUp }

  /// Files of the set that cannot be used.
  package func damagedFiles(in folders: DataFolders) throws(DatasetError) -> [DamagedFile] {
    try reader.damagedFiles(self, in: folders)
  }

  /// Reads all files again; those that are damaged or not what was read first. Nil where nothing was.
  package func changedFiles(in folders: DataFolders) throws(DatasetError) -> [DamagedFile]? {
    try reader.changedFiles(self, in: folders)
  }

  /// How many files there are, and how large they and their samples are.
  package func sizes(in folders: DataFolders) throws(DatasetError) -> String {
    try reader.sizes(self, in: folders)
  }

  /// Bytes once it is there, and at most while it is read.
  package func memory(_ facts: DatasetFacts) -> (loaded: Int, loading: Int) {
    reader.memory(self, facts)
  }

  /// Bytes that training takes for batches on their way to the network.
  package func feeding(_ facts: DatasetFacts, ghost: Int, threads: Int) -> Int {
    reader.feeding(facts, ghost: ghost, threads: threads)
  }

  /// The facts that planning needs: published ones, or those of the files, which are kept: data that have
  /// been read once are not read again, and may be absent. Files that are there and damaged are an error.
  package func facts(from folders: DataFolders) throws(InvalidDocument) -> DatasetFacts {
    let published = publishedFacts
    let kept = KeptFacts(of: self, in: folders)
    do throws(DatasetError) {
      // A folder that lacks a file is damaged, whatever is published of the set.
      let files = try files(in: folders)
      if var published, published.digest != nil {
        published.classNames = reader.classNames(of: files)
        return published
      }
      if let kept, kept.areOf(files) { return kept.facts }
      let stamps = KeptFacts.stamps(files)
      // The plan says by itself where too many samples are held out.
      let facts = try reader.facts(of: samplesAlone, in: folders)
      if !isMadeUp { KeptFacts.keep(facts, of: self, stamps, in: folders) }
      return facts
    } catch {
      switch error {
      case .absent:
        // Planned without the files: with the digest where they have been indexed.
        if let kept { return kept.facts }
        if let published { return published }
        throw InvalidDocument([Problem("dataset", error.description)])
      case .tooFew(let member, let asked, let available):
        throw InvalidDocument([
          Problem("dataset.\(member)", "found \(asked); the data have \(available)")
        ])
      default: throw InvalidDocument([Problem("dataset", error.description)])
      }
    }
  }
}

// Grids and specs as this program reads them, with all the kinds of data sets that it has.

extension Grid {
  package init(parsing text: String) throws(InvalidDocument) { try self.init(parsing: text, .all) }
  package init(document: JSON) throws(InvalidDocument) { try self.init(document: document, .all) }

  /// The JSON Schema of grid files.
  package static var schema: JSON { schema(.all) }
}

extension TrainingSpec {
  package init(_ document: JSON) throws(InvalidDocument) { try self.init(document, .all) }
}

extension TrainerSpec {
  package init(_ document: JSON) throws(InvalidDocument) {
    try self.init(document, DatasetVocabulary.all.ofTrainers)
  }
}
