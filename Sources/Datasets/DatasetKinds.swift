import Experiments

/// The kinds of data sets, each in a file of its own that describes it, finds it and reads it.

extension DatasetVocabulary {
  /// A new kind is a line here.
  package static let all = DatasetVocabulary(
    [
      FashionMNIST(),
      CIFAR(classes: 10),
      CIFAR(classes: 100),
      ImageFolder.imageNet,
      ImageFolder.general,
      ArrayFiles(),
      IDXFolder(),
      Table(),
      SyntheticData(),
    ], ofTrainers: [FileSet()])
}

package protocol DatasetKind: DatasetDescription {
  /// The files of the set, found but not opened; none of data that are made up. Files that are there and
  /// are not the set are an error.
  func files(of spec: DatasetSpec, in folders: DataFolders) throws(DatasetError) -> [String]

  /// Reads the samples. Where a digest is given, files are compared with it before anything is made of
  /// them: other files need not fit the plan.
  func load(
    _ spec: DatasetSpec, digest: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset

  /// What planning needs to know, from the files.
  func facts(of spec: DatasetSpec, in folders: DataFolders) throws(DatasetError) -> DatasetFacts

  /// Names of the classes of a set whose facts are published; nil where they have none.
  func classNames(of files: [String]) -> [String]?

  /// Files that cannot be used, where the set can do without them.
  func damagedFiles(
    _ spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [DamagedFile]

  /// Reads all files again and compares them with what is kept of them, which stays as it is. Gives those
  /// that are damaged or have changed; nil where nothing is kept.
  func changedFiles(
    _ spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [DamagedFile]?

  /// How many files there are, and how large they and their samples are.
  func sizes(_ spec: DatasetSpec, in folders: DataFolders) throws(DatasetError) -> String

  /// Bytes of memory that the set takes once it is there, and at most while it is read: known without
  /// opening it.
  func memory(_ spec: DatasetSpec, _ facts: DatasetFacts) -> (loaded: Int, loading: Int)

  /// Bytes that training takes besides, for batches on their way to the network.
  func feeding(_ facts: DatasetFacts, ghost: Int, threads: Int) -> Int
}

/// A file by its place, and why it cannot be used.
package struct DamagedFile: Sendable, Equatable {
  package let file: String
  package let reason: String
}

extension DatasetKind {
  package func facts(
    of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> DatasetFacts {
    try Dataset.load(spec, from: folders).facts
  }

  package func classNames(of files: [String]) -> [String]? { nil }

  package func damagedFiles(
    _ spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [DamagedFile] { [] }

  package func changedFiles(
    _ spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [DamagedFile]? {
    let files = try files(of: spec, in: folders)
    let known = published(spec)?.digest ?? KeptFacts(of: spec, in: folders)?.facts.digest
    guard let known else { return nil }
    let found = try facts(of: spec.samplesAlone, in: folders).digest
    guard let found, known != found else { return [] }
    return files.map {
      DamagedFile(
        file: $0,
        reason: "\(files.count > 1 ? "one of these files " : "")is not what was read first: digest "
          + "\(found.prefix(12)), known \(known.prefix(12))")
    }
  }

  package func sizes(_ spec: DatasetSpec, in folders: DataFolders) throws(DatasetError) -> String {
    let stamps = KeptFacts.stamps(try files(of: spec, in: folders)) ?? []
    let bytes = stamps.reduce(0) { $0 + $1.bytes }
    return "\(stamps.count) \(stamps.count == 1 ? "file" : "files"), \(bytes) bytes"
  }

  /// Samples in memory go to the network at once.
  package func feeding(_ facts: DatasetFacts, ghost: Int, threads: Int) -> Int { 0 }
}

extension DatasetFacts {
  /// Numbers of a sample.
  var sampleSize: Int { height * width * channels }

  /// Bytes of all labels.
  var labelBytes: Int { 4 * (train + test) }
}

extension DatasetDescription {
  /// Facts of pictures of a published set, of which a description may use the first ones only.
  func pictures(
    _ spec: DatasetSpec, train: Int, test: Int, side: Int, channels: Int, classes: Int,
    digest: String? = nil
  ) -> DatasetFacts {
    DatasetFacts(
      train: min(spec.train ?? train, train), test: min(spec.test ?? test, test), height: side,
      width: side, channels: channels, classes: classes, digest: digest)
  }

  /// Memory of pictures that stay bytes, and whose files are read whole, whatever part of them is used.
  func memoryOfPictures(_ spec: DatasetSpec, _ facts: DatasetFacts) -> (loaded: Int, loading: Int) {
    var whole = spec
    (whole.train, whole.test, whole.validation) = (nil, nil, 0)
    let chosen = (facts.train + facts.test) * facts.sampleSize
    let all = published(whole).map { ($0.train + $0.test) * facts.sampleSize } ?? chosen
    return (chosen + facts.labelBytes, chosen + all + facts.labelBytes)
  }
}
