import Experiments

/// From a description to a data set in memory, whatever its format.
extension Dataset {
  /// Loads a data set and, where a digest is given, insists on it.
  package static func load(
    _ spec: DatasetSpec, digest: String? = nil, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let dataset: Dataset
    switch spec.name {
    case .fashionMNIST: dataset = try FashionMNIST.load(spec, folders)
    case .cifar10, .cifar100: dataset = try CIFAR.load(spec, folders)
    case .csv: dataset = try Table.load(spec, folders)
    case .synthetic: dataset = try SyntheticData.load(spec)
    case .imageNet: throw .absent(dataset: spec.name.rawValue, looked: folders.roots)
    }
    if let digest, let found = dataset.facts.digest, found != digest {
      throw .differs(dataset: spec.name.rawValue, expected: digest, found: found)
    }
    return dataset
  }
}

extension DatasetSpec {
  /// What planning needs: from the publication, or from the files where only they know.
  package func facts(from folders: DataFolders) throws(InvalidGrid) -> DatasetFacts {
    switch name {
    case .fashionMNIST, .synthetic, .imageNet:
      if let facts = builtInFacts { return facts }
    case .cifar10, .cifar100:
      // Planned without the files too, then without a digest.
      if let facts = builtInFacts {
        return (try? Dataset.load(self, from: folders).facts) ?? facts
      }
    case .csv: break
    }
    do { return try Dataset.load(self, from: folders).facts } catch {
      throw InvalidGrid([Problem("dataset", error.description)])
    }
  }
}
