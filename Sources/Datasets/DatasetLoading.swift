import Experiments
import Values

/// From a description to a data set in memory, whatever its format.
extension Dataset {
  /// Loads a data set and, where a digest is given, insists on it.
  package static func load(
    _ spec: DatasetSpec, digest: String? = nil, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let dataset: Dataset
    switch spec.source {
    case .fashionMNIST: dataset = try FashionMNIST.load(spec, folders)
    case .cifar10, .cifar100: dataset = try CIFAR.load(spec, digest, folders)
    case .csv(let path, let label):
      dataset = try Table.load(path, label, spec, digest, folders)
    case .synthetic(let shape): dataset = try SyntheticData.load(shape, spec)
    case .imageNet: throw .absent(dataset: spec.name.rawValue, looked: folders.roots)
    }
    if let digest { try dataset.insist(on: digest, of: spec) }
    return dataset
  }

  /// Throws where the data are not those of this digest.
  package func insist(on digest: String, of spec: DatasetSpec) throws(DatasetError) {
    try spec.insist(facts.digest ?? "none", is: digest)
  }
}

extension DatasetSpec {
  /// Throws where the content is not what was planned. Files are compared before anything is made of
  /// them: other files need not fit the plan.
  func insist(_ found: String, is expected: String?) throws(DatasetError) {
    guard let expected, found != expected else { return }
    throw .differs(dataset: words, expected: expected, found: found)
  }

  /// The files of the set, found but not opened; none for data that are made up.
  package func files(in folders: DataFolders) throws(DatasetError) -> [String] {
    switch source {
    case .fashionMNIST: try FashionMNIST.files(in: folders)
    case .cifar10, .cifar100: try CIFAR.files(name, in: folders)
    case .csv(let path, _): [try folders.find(path, of: name.rawValue)]
    case .synthetic: []
    case .imageNet: throw .absent(dataset: name.rawValue, looked: folders.roots)
    }
  }

  /// The facts that planning needs: published ones, or those of the files. Files that are
  /// there and damaged are an error; only the files of a named set may be absent.
  package func facts(from folders: DataFolders) throws(InvalidDocument) -> DatasetFacts {
    switch name {
    case .fashionMNIST:
      // Its facts are published; a folder that lacks a file is damaged all the same.
      do throws(DatasetError) { _ = try files(in: folders) } catch {
        guard case .absent = error else {
          throw InvalidDocument([Problem("dataset", error.description)])
        }
      }
      if let facts = builtInFacts { return facts }
    case .synthetic, .imageNet:
      if let facts = builtInFacts { return facts }
    case .cifar10, .cifar100, .csv: break
    }
    // The plan says by itself where too many samples are held out.
    var whole = self
    whole.validation = 0
    do throws(DatasetError) { return try Dataset.load(whole, from: folders).facts } catch {
      switch error {
      case .absent:
        // Planned without the files, then without a digest.
        if let facts = builtInFacts { return facts }
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
