import Experiments
import Foundation
import Values

/// The data sets that lie in the data folders, as far as their names and folders tell.

/// A place of data, described as a grid file would.
package struct FoundDataset: Sendable {
  /// What a person types to name it: the set's own name, or a path in a data folder.
  package let name: String
  package let spec: DatasetSpec
}

extension DataFolders {
  /// Sets of known names whose files are here, then what looks like data in the data folders.
  package func datasets() -> [FoundDataset] {
    var found: [FoundDataset] = []
    var taken: Set<String> = []
    for name in ["fashion-mnist", "cifar-10", "cifar-100", "imagenet"] {
      guard let spec = try? DatasetSpec(checking: .string(name)),
        let files = try? spec.files(in: self), let first = files.first
      else { continue }
      taken.insert(first)
      taken.insert(URL(filePath: first).deletingLastPathComponent().path)
      found.append(.init(name: name, spec: spec))
    }
    for root in roots {
      for name in (try? FileList.names(in: root)) ?? [] {
        guard let place = try? find(name, of: name), !taken.contains(place),
          let spec = DatasetSpec(guessedFrom: name, at: place)
        else { continue }
        taken.insert(place)
        found.append(.init(name: name, spec: spec))
      }
    }
    return found
  }

  /// The data that a word means: a name of a set, a description as in a grid file, or a path in a data
  /// folder.
  package func dataset(_ word: String) throws -> FoundDataset {
    if word.hasPrefix("{") {
      return .init(name: word, spec: try DatasetSpec(checking: JSON(parsing: word)))
    }
    if DatasetVocabulary.all.names.contains(word),
      let spec = try? DatasetSpec(checking: .string(word))
    {
      return .init(name: word, spec: spec)
    }
    let path = try relative(word)
    let place = try find(path, of: word)
    guard let spec = DatasetSpec(guessedFrom: path, at: place) else {
      throw DatasetError.damaged(
        file: place,
        reason:
          "is no data set by its looks: a CSV or .npz file, or a folder with train/, with "
          + "x_train.npy or with IDX files; give a description as in a grid file, such as "
          + "'{\"name\": \"csv\", \"path\": \"\(path)\"}'")
    }
    return .init(name: path, spec: spec)
  }

  /// A path beneath a data folder, also where it is given in full or from the current folder.
  private func relative(_ word: String) throws(DatasetError) -> String {
    if DatasetSpec.staysInside(word), (try? find(word, of: word)) != nil { return word }
    let full = URL(filePath: word).resolvingSymlinksInPath().path
    for root in roots {
      let base = URL(filePath: root).resolvingSymlinksInPath().path + "/"
      if full.hasPrefix(base) { return String(full.dropFirst(base.count)) }
    }
    guard FileManager.default.fileExists(atPath: full) else {
      throw .absent(dataset: word, looked: roots.map { $0 + "/" + word })
    }
    throw .outside(path: full)
  }
}

extension DatasetSpec {
  /// A description of what lies at a place; nil where it looks like no data.
  fileprivate init?(guessedFrom path: String, at place: String) {
    guard let node = DatasetSpec.guess(path, place),
      let spec = try? DatasetSpec(checking: node)
    else { return nil }
    self = spec
  }

  private static func guess(_ path: String, _ place: String) -> JSON? {
    let name = path.lowercased().replacing(/\.gz$/, with: "")
    if !FileList.isFolder(place) {
      if name.hasSuffix(".csv") { return ["name": "csv", "path": .string(path)] }
      if name.hasSuffix(".tsv") {
        return ["name": "csv", "path": .string(path), "separator": "\t"]
      }
      return path.lowercased().hasSuffix(".npz") ? ["name": "arrays", "path": .string(path)] : nil
    }
    if FileList.isFolder(place + "/train") {
      return [
        "name": "image-folder", "path": .string(path), "size": 64, "damaged": "skip",
      ]
    }
    let names = (try? FileList.names(in: place)) ?? []
    if names.contains("x_train.npy") { return ["name": "arrays", "path": .string(path)] }
    let ending = "train-images-idx3-ubyte"
    guard let file = names.first(where: { $0.contains(ending) }),
      let range = file.firstRange(of: ending)
    else { return nil }
    return [
      "name": "idx", "path": .string(path), "prefix": .string(String(file[..<range.lowerBound])),
    ]
  }
}
