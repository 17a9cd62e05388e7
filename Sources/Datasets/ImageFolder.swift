import Experiments
import Foundation
import Tensors
import Values

/// Pictures in folders, one a class: `train/<class>/*`, and `val/<class>/*` or `test/<class>/*`. They stay in
/// their files, and are decoded as they are trained on. ImageNet is such a folder at 224 pixels.
package struct ImageFolder: DatasetKind {
  /// "image-folder", or "imagenet" with its sizes and its usual place.
  package let name: String
  private let isImageNet: Bool

  package static let general = ImageFolder(name: "image-folder", isImageNet: false)
  package static let imageNet = ImageFolder(name: "imagenet", isImageNet: true)

  package let places: Set = ["path"]
  package let uses: Set = [PictureAugmentation.key, ResizedCrop.middle.key]

  private static let sizes = 8...1024
  private static let damaged = DocumentField.word(
    "damaged", ["refuse", "skip"], default: "refuse",
    "image-folder: what becomes of files that cannot be decoded")
  private static let held = DocumentField.number(
    "test_share", .from(0, to: 0.9), default: "0.2",
    "image-folder: the share of train/ that is the test split where there is no val/ or test/")

  package var fields: [ObjectShape.Field] {
    [
      .init("path", .text, "image-folder: the folder, relative to a data folder of the worker."),
      .init(
        "size", .integer(ImageFolder.sizes),
        "image-folder: pixels of a side of the network's input; imagenet has 224 by default."),
      ResizedCrop.field, ResizedCrop.middle.field, ImageFolder.damaged.field,
      ImageFolder.held.field,
    ]
  }

  package func members(
    of node: JSON, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    var members: [JSON.Member] = []
    if isImageNet, node["path"] == nil {
      members.append(.init("path", "imagenet"))
    } else {
      members += DatasetSpec.place(node, "path", of: name, at: path, problems: &problems)
    }
    let size = node["size"]?.intValue ?? (isImageNet ? 224 : nil)
    if let size {
      members.append(.init("size", .integer(size)))
    } else {
      problems.append(
        Problem(
          join(path, "size"), "is missing: pixels of a side of the network's input, such as 64"))
    }
    members.append(ResizedCrop.middle.member(ResizedCrop.middle.value(in: node)))
    members.append(ImageFolder.damaged.member(ImageFolder.damaged.value(in: node)))
    members.append(ImageFolder.held.member(ImageFolder.held.value(in: node)))
    return members + ResizedCrop.members(of: node, of: name, at: path, problems: &problems)
  }

  package func published(_ spec: DatasetSpec) -> DatasetFacts? {
    guard isImageNet else { return nil }
    return pictures(
      spec, train: 1_281_167, test: 50_000, side: side(of: spec), channels: 3, classes: 1000)
  }

  private func side(of spec: DatasetSpec) -> Int { spec["size"]?.intValue ?? 224 }

  // MARK: - Files

  private static let train = "train"
  private static let testNames = ["val", "test"]

  /// The folder, with the splits that it has.
  private func find(
    _ spec: DatasetSpec, _ folders: DataFolders
  ) throws(DatasetError) -> (folder: String, splits: [String]) {
    let folder = try folders.find(spec.words, of: name)
    guard FileList.isFolder(folder) else {
      throw .damaged(file: folder, reason: "is a file, not a folder of pictures")
    }
    guard FileList.isFolder(folder + "/" + ImageFolder.train) else {
      throw .damaged(
        file: folder, reason: "has no folder train/ with a folder of pictures for each class")
    }
    let tests = ImageFolder.testNames.filter { FileList.isFolder("\(folder)/\($0)") }
    guard tests.count < 2 else {
      throw .damaged(file: folder, reason: "has val/ and test/; keep the one to test on")
    }
    return (folder, [ImageFolder.train] + tests)
  }

  package func files(
    of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [String] { [try find(spec, folders).folder] }

  /// The files of the folder as the file system has them.
  private func list(
    _ folder: String, splits: [String], of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> FileList {
    try FileList(folder, splits: splits) { place throws(DatasetError) in
      _ = try folders.find("\(spec.words)/\(place)", of: name)
    }
  }

  /// The file that holds the index of a folder; nil if jobctl keeps none.
  private func place(_ folder: String, _ folders: DataFolders) -> String? {
    folders.indices.map { "\($0)/\(Digest.sha256(of: folder).prefix(32)).index" }
  }

  /// The index of the folder as it is now: made where there is none, or where files have changed.
  private func index(
    _ folder: String, splits: [String], of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> PictureIndex {
    let found = try list(folder, splits: splits, of: spec, in: folders)
    let kept = place(folder, folders)
    if let kept {
      let index = PictureIndex(readFrom: kept, expecting: found)
      if index.files == found { return index }
    }
    do {
      return try PictureIndex.make(
        of: folder, found, keptIn: kept, threads: ProcessInfo.processInfo.activeProcessorCount,
        progress: folders.progress)
    } catch {
      throw .damaged(file: kept ?? folder, reason: "the index cannot be written: \(error)")
    }
  }

  package func damagedFiles(
    _ spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [DamagedFile] {
    let (folder, splits) = try find(spec, folders)
    return try index(folder, splits: splits, of: spec, in: folders).damaged.map {
      DamagedFile(file: "\(folder)/\($0.path)", reason: $0.fault ?? "")
    }
  }

  package func changedFiles(
    _ spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [DamagedFile]? {
    let (folder, splits) = try find(spec, folders)
    let kept = place(folder, folders).map { PictureIndex(readFrom: $0) } ?? PictureIndex()
    guard kept.count > 0 else { return nil }
    let known = Dictionary(
      (0..<kept.count).map { (kept.files.path($0), kept.digest($0)) }, uniquingKeysWith: { $1 })
    let found = try PictureIndex.made(
      of: folder, list(folder, splits: splits, of: spec, in: folders),
      threads: ProcessInfo.processInfo.activeProcessorCount, progress: folders.progress)
    func file(_ path: String, _ reason: String) -> DamagedFile {
      DamagedFile(file: "\(folder)/\(path)", reason: reason)
    }
    let changed = (0..<found.count).compactMap { number -> DamagedFile? in
      let entry = found[number]
      if let fault = entry.fault { return file(entry.path, fault) }
      guard let digest = known[entry.path] else {
        return file(entry.path, "was not there when the folder was indexed")
      }
      return digest == entry.digest
        ? nil : file(entry.path, "has other bytes than when it was indexed")
    }
    let present = Set((0..<found.count).map(found.files.path))
    let gone = known.keys.filter { !present.contains($0) }.sorted()
    return changed + gone.map { file($0, "is gone") }
  }

  package func sizes(_ spec: DatasetSpec, in folders: DataFolders) throws(DatasetError) -> String {
    let (folder, splits) = try find(spec, folders)
    let index = try index(folder, splits: splits, of: spec, in: folders)
    let bytes = index.files.bytes.reduce(0, +)
    let sizes = index.usable.map { index.size(Int($0)) }
      .sorted { ($0.width * $0.height, $0.width) < ($1.width * $1.height, $1.width) }
    guard let least = sizes.first, let most = sizes.last else { return "no pictures" }
    return "\(index.count) files, \(bytes) bytes, of \(least.width) x \(least.height) to "
      + "\(most.width) x \(most.height) pixels"
  }

  package func load(
    _ spec: DatasetSpec, digest planned: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let (folder, splits) = try find(spec, folders)
    let index = try index(folder, splits: splits, of: spec, in: folders)
    if ImageFolder.damaged.value(in: .object(spec.members)) == "refuse",
      let first = index.damaged.first
    {
      let others = index.damaged.count - 1
      throw .damaged(
        file: folder + "/" + first.path,
        reason: (first.fault ?? "")
          + (others > 0 ? " (\(others) more files are damaged)" : "")
          + "; \"damaged\": \"skip\" leaves such files out")
    }
    let digest = index.digest
    try spec.insist(digest, is: planned)
    return try dataset(spec, folder, index, digest)
  }

  /// Splits of the index's files, with their classes.
  private func dataset(
    _ spec: DatasetSpec, _ folder: String, _ index: PictureIndex, _ digest: String
  ) throws(DatasetError) -> Dataset {
    func part(_ file: Int32, _ place: Int) -> Substring {
      index.files.path(Int(file)).split(separator: "/", maxSplits: 2)[place]
    }
    let usable = index.usable
    let training = usable.filter { part($0, 0) == ImageFolder.train[...] }
    let classes = Set(training.lazy.map { String(part($0, 1)) })
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    guard classes.count >= 2 else {
      throw .damaged(
        file: folder + "/train",
        reason: "has \(classes.count) folders with pictures; a class is a folder")
    }
    let numbers = Dictionary(
      classes.enumerated().map { ($1, Int32($0)) }, uniquingKeysWith: { first, _ in first })
    var testing = usable.filter { part($0, 0) != ImageFolder.train[...] }
    var trained = training
    if testing.isEmpty {
      let share = ImageFolder.held.value(in: .object(spec.members)).double
      let held = max(1, Int((share * Double(training.count)).rounded()))
      let order = Philox(seed: 0, purpose: .holdOut).permutation(of: training.count, stream: 0)
      trained = order.dropLast(held).sorted().map { training[Int($0)] }
      testing = order.suffix(held).sorted().map { training[Int($0)] }
    }
    func samples(
      _ files: [Int32], _ wanted: Wanted
    ) throws(DatasetError) -> Samples {
      let chosen = Array(files.prefix(try wanted.count(of: files.count)))
      var labels: [Int32] = []
      labels.reserveCapacity(chosen.count)
      for file in chosen {
        let label = String(part(file, 1))
        guard let number = numbers[label] else {
          throw .damaged(
            file: "\(folder)/\(index.files.path(Int(file)))",
            reason: "the class \"\(label)\" has no folder in train/")
        }
        labels.append(number)
      }
      let pictures = PictureFolder(
        folder, index, chosen, side: side(of: spec), crop: ResizedCrop(spec))
      return Samples(storage: .pictures(pictures), labels: labels)
    }
    let train = try samples(trained, .train(spec.train))
    let test = try samples(testing, .test(spec.test))
    let facts = DatasetFacts(
      train: train.count, test: test.count, height: side(of: spec), width: side(of: spec),
      channels: 3, classes: classes.count, digest: digest, classNames: classes)
    return try Dataset(
      spec: spec, facts: facts, train: train, test: test,
      form: .pixels(
        mean: ImageFolder.mean, deviation: ImageFolder.deviation,
        crop: ResizedCrop(spec).middle.double))
  }

  /// Mean and deviation of the channels of ImageNet's training pictures, in units of a byte. The field uses
  /// them for all photographs.
  private static let mean: [Float] = [123.675, 116.28, 103.53]
  private static let deviation: [Float] = [58.395, 57.12, 57.375]

  /// A file of the index takes about so many bytes, with its path and its places in the order of training.
  private static let bytesOfAFile = 160

  package func memory(
    _ spec: DatasetSpec, _ facts: DatasetFacts
  ) -> (loaded: Int, loading: Int) {
    let index = (facts.train + facts.test) * ImageFolder.bytesOfAFile
    return (index + facts.labelBytes, 2 * index + facts.labelBytes)
  }

  /// A thread that decodes a photograph takes about so many bytes: the file, and the pixels of the part that
  /// it decodes.
  private static let bytesOfADecoder = 24 << 20

  package func feeding(_ facts: DatasetFacts, ghost: Int, threads: Int) -> Int {
    // There is a feed for training, and another one for testing while a stage is measured. The trainer's
    // own threads decode too.
    2 * PictureFeed.depth * ghost * facts.sampleSize + 2 * threads * ImageFolder.bytesOfADecoder
  }
}
