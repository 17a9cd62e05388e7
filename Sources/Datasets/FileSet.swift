import Experiments
import Foundation
import Values

/// Files and folders that only a user's own program reads. jobctl knows them by their content.
struct FileSet: DatasetKind {
  let name = "files"

  var fields: [ObjectShape.Field] {
    [.init("paths", .list(.text, count: 0...64), required: true, "Paths in the data folders.")]
  }

  func members(of node: JSON, at path: String, problems: inout [Problem]) -> [JSON.Member] {
    let paths = node["paths"]?.items?.compactMap(\.stringValue) ?? []
    for place in paths where !DatasetSpec.staysInside(place) {
      problems.append(
        Problem(
          path,
          "found \"\(shortened(place, to: 100))\"; allowed: a path inside a data folder, not "
            + "absolute and without \"..\""))
    }
    return [.init("paths", .array(paths.map(JSON.string)))]
  }

  /// Without paths the content is known: there is none.
  func published(_ spec: DatasetSpec) -> DatasetFacts? {
    spec.paths.isEmpty ? FileSet.facts(digest: Digest.Stream().finished(), count: 0) : nil
  }

  /// Only the digest says anything: the program alone knows what a sample is.
  private static func facts(digest: String, count: Int) -> DatasetFacts {
    DatasetFacts(
      train: max(1, count), test: 1, height: 1, width: 1, channels: 1, classes: 1, digest: digest)
  }

  func files(of spec: DatasetSpec, in folders: DataFolders) throws(DatasetError) -> [String] {
    try content(of: spec, in: folders).map(\.place)
  }

  func facts(of spec: DatasetSpec, in folders: DataFolders) throws(DatasetError) -> DatasetFacts {
    let digest = Digest.Stream()
    let files = try content(of: spec, in: folders)
    for (done, file) in files.enumerated() {
      folders.progress?(done, files.count, spec.words)
      let line = "\(file.path)\0\(try FileSet.digest(of: file.place))\n"
      Array(line.utf8).withUnsafeBytes { digest.add($0) }
    }
    return FileSet.facts(digest: digest.finished(), count: files.count)
  }

  /// A file at a time, in pieces: it may be larger than memory.
  private static func digest(of file: String) throws(DatasetError) -> String {
    guard let handle = FileHandle(forReadingAtPath: file) else {
      throw .damaged(file: file, reason: "cannot be read: \(String(cString: strerror(errno)))")
    }
    let digest = Digest.Stream()
    do {
      while let piece = try handle.read(upToCount: 1 << 22), !piece.isEmpty {
        piece.withUnsafeBytes { digest.add($0) }
      }
    } catch {
      throw .damaged(file: file, reason: "cannot be read: \(error.localizedDescription)")
    }
    return digest.finished()
  }

  /// Every file beneath the paths: as the program finds it, and where it is. In the order of their bytes.
  private func content(
    of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [(path: String, place: String)] {
    var found: [(path: String, place: String)] = []
    for path in spec.paths {
      try add(path, try folders.find(path, of: path), folders, &found, depth: 0)
    }
    guard Set(found.map(\.path)).count == found.count else {
      throw .damaged(file: spec.words, reason: "is named twice among the data of one trainer")
    }
    return found.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  private func add(
    _ path: String, _ place: String, _ folders: DataFolders,
    _ found: inout [(path: String, place: String)], depth: Int
  ) throws(DatasetError) {
    guard depth < 32 else { throw .damaged(file: place, reason: "lies too deep, or in a circle") }
    guard FileList.isFolder(place) else {
      var facts = stat()
      guard stat(place, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
        throw .damaged(file: place, reason: "is neither a file nor a folder")
      }
      return found.append((path, place))
    }
    // The program sees hidden files too, but those of editors and file managers are none of the data.
    for name in try FileList.names(in: place) {
      try add(
        "\(path)/\(name)", try folders.find("\(path)/\(name)", of: path), folders, &found,
        depth: depth + 1)
    }
  }

  func load(
    _ spec: DatasetSpec, digest: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    throw .damaged(file: spec.words, reason: "is for a trainer: jobctl's engine cannot read it")
  }

  func memory(_ spec: DatasetSpec, _ facts: DatasetFacts) -> (loaded: Int, loading: Int) { (0, 0) }
}

extension DatasetSpec {
  /// The paths of a set of files, as its description has them.
  package var paths: [String] { self["paths"]?.items?.compactMap(\.stringValue) ?? [] }

  /// Where the files of a set of the kind `files` are here.
  package func places(in folders: DataFolders) throws(DatasetError) -> [String] {
    var places: [String] = []
    for path in paths { places.append(try folders.find(path, of: path)) }
    return places
  }
}
