import Experiments
import Foundation
import Values

/// Facts and digest of data that have been read once, with size and time of each file. They are kept in
/// jobctl's home, so that planning the same data again reads no sample, and needs no files.
package struct KeptFacts {
  /// A file as it was when it was read.
  struct Stamp: Equatable {
    var file: String
    var bytes: Int
    /// Nanoseconds since 1970.
    var modified: Int
  }

  package let facts: DatasetFacts
  private let stamps: [Stamp]

  /// Facts of another form are read from the data again.
  private static let format = 2

  /// Of the samples of a description, whatever training does with them.
  private static func place(_ spec: DatasetSpec, _ folders: DataFolders) -> String? {
    folders.indices.map {
      "\($0)/\(Digest.sha256(of: spec.samplesAlone.json.encoded(sorted: true)).prefix(32)).facts"
    }
  }

  static func stamps(_ files: [String]) -> [Stamp]? {
    var stamps: [Stamp] = []
    for file in files {
      var found = stat()
      // A folder's time says nothing of the files beneath it.
      guard stat(file, &found) == 0, found.st_mode & S_IFMT == S_IFREG else { return nil }
      stamps.append(
        Stamp(
          file: file, bytes: Int(found.st_size),
          modified: found.st_mtim.tv_sec &* 1_000_000_000 &+ found.st_mtim.tv_nsec))
    }
    return stamps
  }

  /// What is kept of a description; nil where nothing is, or another version wrote it.
  package init?(of spec: DatasetSpec, in folders: DataFolders) {
    guard let place = KeptFacts.place(spec, folders),
      let text = try? String(contentsOfFile: place, encoding: .utf8),
      let node = try? JSON(parsing: text), node["format"]?.intValue == KeptFacts.format,
      let facts = node["facts"].flatMap(DatasetFacts.init(kept:)), let files = node["files"]?.items
    else { return nil }
    self.facts = facts
    stamps = files.compactMap { file in
      guard let name = file["file"]?.stringValue, let bytes = file["bytes"]?.intValue,
        let modified = file["modified"]?.intValue
      else { return nil }
      return Stamp(file: name, bytes: bytes, modified: modified)
    }
  }

  /// Whether they are of these files as they are now, by size and time.
  package func areOf(_ files: [String]) -> Bool {
    !files.isEmpty && KeptFacts.stamps(files) == stamps
  }

  /// Keeps facts for later. Where that fails, data are read again: nothing is lost.
  /// `stamps` were taken before the files were read.
  static func keep(
    _ facts: DatasetFacts, of spec: DatasetSpec, _ stamps: [Stamp]?, in folders: DataFolders
  ) {
    guard let place = place(spec, folders) else { return }
    let document: JSON = [
      "format": .integer(format), "dataset": spec.samplesAlone.json, "facts": facts.kept,
      "files": .array(
        (stamps ?? []).map {
          [
            "file": .string($0.file), "bytes": .integer($0.bytes),
            "modified": .integer($0.modified),
          ]
        }),
    ]
    let folder = URL(filePath: place).deletingLastPathComponent()
    // A home that cannot be written to is the owner's wish.
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    // See above.
    try? Data(document.pretty().utf8).write(to: URL(filePath: place), options: .atomic)
  }
}

extension DatasetFacts {
  fileprivate var kept: JSON {
    [
      "train": .integer(train), "test": .integer(test), "height": .integer(height),
      "width": .integer(width), "channels": .integer(channels), "classes": .integer(classes),
      "digest": digest.map(JSON.string) ?? .null,
      "class_names": classNames.map { .array($0.map(JSON.string)) } ?? .null,
    ]
  }

  fileprivate init?(kept node: JSON) {
    func number(_ key: String) -> Int? { node[key]?.intValue.flatMap { $0 > 0 ? $0 : nil } }
    guard let train = number("train"), let test = number("test"), let height = number("height"),
      let width = number("width"), let channels = number("channels"),
      let classes = number("classes"), let digest = node["digest"]?.stringValue
    else { return nil }
    self.init(
      train: train, test: test, height: height, width: width, channels: channels,
      classes: classes, digest: digest,
      classNames: node["class_names"]?.items?.compactMap(\.stringValue))
  }
}
