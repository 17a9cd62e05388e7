import Experiments
import Values

/// The four files of a set in the IDX format, as MNIST, KMNIST and EMNIST are published: pictures of bytes
/// and labels, compressed with gzip or not.
package struct IDXFolder: DatasetKind {
  package let name = "idx"
  package let places: Set = ["path"]
  package let uses: Set = [PictureAugmentation.key]

  private static let prefix = "prefix"

  package let fields: [ObjectShape.Field] = [
    .init(
      "path", .text, "idx: the folder of the four files, relative to a data folder of the worker."),
    .init(
      IDXFolder.prefix, .text,
      "idx: what the files' names begin with, such as \"emnist-letters-\"; nothing by default."),
    PictureAugmentation.field,
  ]

  package init() {}

  package func members(
    of node: JSON, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    var members = DatasetSpec.place(node, "path", of: name, at: path, problems: &problems)
    if let prefix = node[IDXFolder.prefix]?.stringValue, !prefix.isEmpty {
      if prefix.contains("/") {
        problems.append(
          Problem(join(path, IDXFolder.prefix), "found \"\(prefix)\"; it has no slash"))
      }
      members.append(.init(IDXFolder.prefix, .string(prefix)))
    }
    return members
      + PictureAugmentation.members(of: node, of: name, at: path, problems: &problems)
  }

  package func memory(
    _ spec: DatasetSpec, _ facts: DatasetFacts
  ) -> (loaded: Int, loading: Int) {
    let pixels = (facts.train + facts.test) * facts.sampleSize
    // Labels are read as whole words.
    return (pixels + facts.labelBytes, 2 * pixels + 4 * facts.labelBytes)
  }

  package func files(
    of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [String] {
    try IDX.files(
      in: spec.words, prefix: spec[IDXFolder.prefix]?.stringValue ?? "", of: name, folders)
  }

  /// Larger files do not belong into memory.
  private static let sizeLimit = 1 << 32

  package func load(
    _ spec: DatasetSpec, digest planned: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let files = try files(of: spec, in: folders)
    var parts: [[UInt8]] = []
    for file in files { parts.append(try contents(of: file, limit: IDXFolder.sizeLimit)) }
    let digest = contentDigest(parts.map { Array(contentDigest([$0]).utf8) })
    try spec.insist(digest, is: planned)
    func samples(_ place: Int) throws(DatasetError) -> ArraySamples {
      let pixels = try IDX.parse(parts[place], dimensions: 3, files[place])
      let labels = try IDX.parse(parts[place + 1], dimensions: 1, files[place + 1])
      guard pixels.sizes[0] == labels.sizes[0], !pixels.body.isEmpty else {
        throw .damaged(
          file: files[place],
          reason: "has \(pixels.sizes[0]) pictures of \(pixels.sizes[1])x\(pixels.sizes[2]), and "
            + "there are \(labels.sizes[0]) labels")
      }
      return ArraySamples(
        file: files[place], values: .pixels(pixels.body), labels: labels.body.map(Int.init),
        height: pixels.sizes[1], width: pixels.sizes[2], channels: 1)
    }
    return try Dataset(spec, samples(0), samples(2), digest: digest)
  }
}
