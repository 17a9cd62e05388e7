import Experiments

/// The kinds of data sets, each in a file of its own that describes it, finds it and reads it.

extension DatasetVocabulary {
  /// A new kind is a line here.
  package static let all = DatasetVocabulary([
    FashionMNIST(),
    CIFAR(classes: 10),
    CIFAR(classes: 100),
    ImageFolder.imageNet,
    ImageFolder.general,
    Table(),
    SyntheticData(),
  ])
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

  /// Bytes of memory that the set takes once it is there, and at most while it is read: known without
  /// opening it.
  func memory(_ spec: DatasetSpec, _ facts: DatasetFacts) -> (loaded: Int, loading: Int)

  /// Bytes that training takes besides, for batches on their way to the network.
  func feeding(_ facts: DatasetFacts, ghost: Int, threads: Int) -> Int
}

extension DatasetKind {
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
