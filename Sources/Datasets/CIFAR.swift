import Experiments
import Foundation
import Values

/// CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary layout: label bytes, then 1024 bytes of
/// red, green and blue each.
package struct CIFAR: DatasetKind {
  /// 10 or 100.
  let classes: Int

  package var name: String { "cifar-\(classes)" }
  package let fields = [PictureAugmentation.field]
  package let uses: Set = [PictureAugmentation.key]

  package init(classes: Int) { self.classes = classes }

  /// Published channel means and deviations of CIFAR-10's and CIFAR-100's training pictures.
  private var constants: (mean: [Float], deviation: [Float]) {
    classes == 10
      ? ([125.3, 123.0, 113.9], [63.0, 62.1, 66.7]) : ([129.3, 124.1, 112.4], [68.2, 65.4, 70.4])
  }

  package func members(
    of node: JSON, at path: String, problems: inout [Problem]
  ) -> [JSON.Member] {
    PictureAugmentation.members(of: node, of: name, at: path, problems: &problems)
  }

  package func published(_ spec: DatasetSpec) -> DatasetFacts? {
    pictures(spec, train: 50_000, test: 10_000, side: 32, channels: 3, classes: classes)
  }

  package func memory(
    _ spec: DatasetSpec, _ facts: DatasetFacts
  ) -> (loaded: Int, loading: Int) { memoryOfPictures(spec, facts) }

  /// CIFAR-100's largest file has 153,700,000 bytes.
  private static let sizeLimit = 256 << 20

  /// Training files, then the test file. The set is absent where its folder is; a folder that lacks
  /// one of the files is damaged.
  package func files(
    of spec: DatasetSpec, in folders: DataFolders
  ) throws(DatasetError) -> [String] {
    let hundred = classes == 100
    let folder = hundred ? "cifar-100-binary" : "cifar-10-batches-bin"
    let names =
      hundred
      ? ["train.bin", "test.bin"] : (1...5).map { "data_batch_\($0).bin" } + ["test_batch.bin"]
    let place = try find(folder, folders)
    var files: [String] = []
    for file in names {
      do throws(DatasetError) {
        files.append(try folders.find("\(folder)/\(file)", of: name))
      } catch {
        guard case .absent = error else { throw error }
        throw .damaged(file: place, reason: "lacks \(file)")
      }
    }
    return files
  }

  /// The folder of the binary layout. Where only that of Python is, says what to do.
  private func find(_ folder: String, _ folders: DataFolders) throws(DatasetError) -> String {
    do throws(DatasetError) {
      return try folders.find(folder, of: name)
    } catch {
      guard case .absent = error else { throw error }
      let pickles = classes == 100 ? "cifar-100-python" : "cifar-10-batches-py"
      guard let place = try? folders.find(pickles, of: name) else { throw error }
      throw .damaged(
        file: place,
        reason:
          "is the layout of Python's pickles, which are not read, since they may run programs: "
          + "put the binary version (\(name)-binary.tar.gz) beside it as \(folder)/, or save the "
          + "arrays with np.savez and use \"name\": \"arrays\"")
    }
  }

  /// Insists on a digest where one is given.
  package func load(
    _ spec: DatasetSpec, digest planned: String?, from folders: DataFolders
  ) throws(DatasetError) -> Dataset {
    let layout = Layout(classes: classes)
    let files = try files(of: spec, in: folders)
    var parts: [[UInt8]] = []
    for file in files {
      let bytes = try contents(of: file, limit: CIFAR.sizeLimit)
      try layout.check(bytes, file)
      parts.append(bytes)
    }
    let digest = contentDigest(parts)
    try spec.insist(digest, is: planned)
    let train = layout.samples(
      parts.dropLast(),
      count: try Wanted.train(spec.train).count(of: layout.records(parts.dropLast())))
    let test = layout.samples(
      parts.suffix(1), count: try Wanted.test(spec.test).count(of: layout.records(parts.suffix(1))))
    let facts = DatasetFacts(
      train: train.count, test: test.count, height: 32, width: 32, channels: 3,
      classes: layout.classes, digest: digest, classNames: classNames(of: files))
    let (mean, deviation) = constants
    return try Dataset(
      spec: spec, facts: facts, train: train, test: test,
      form: .pixels(mean: mean, deviation: deviation, crop: nil))
  }

  /// The names of the classes, as the file beside the data has them; nil where it does not.
  package func classNames(of files: [String]) -> [String]? {
    let names = classes == 100 ? "fine_label_names.txt" : "batches.meta.txt"
    let place = URL(filePath: files[0]).deletingLastPathComponent().appending(path: names)
    guard let bytes = try? contents(of: place.path, limit: 1 << 16) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
    return lines.count == classes ? lines.map(String.init) : nil
  }

  /// How records stand in a file.
  private struct Layout {
    let classes: Int
    /// CIFAR-100 has a coarse label in front of the fine one, which is the one to learn.
    var labelBytes: Int { classes == 100 ? 2 : 1 }
    var record: Int { 3072 + labelBytes }

    func records(_ parts: ArraySlice<[UInt8]>) -> Int {
      parts.reduce(0) { $0 + $1.count / record }
    }

    func check(_ bytes: [UInt8], _ file: String) throws(DatasetError) {
      guard !bytes.isEmpty, bytes.count % record == 0 else {
        throw .damaged(
          file: file,
          reason: "has \(bytes.count) bytes, which are not a whole number of records of \(record)")
      }
      for start in stride(from: 0, to: bytes.count, by: record) {
        let label = bytes[start + labelBytes - 1]
        guard label < classes else {
          throw .damaged(
            file: file,
            reason:
              "record \(start / record + 1) has the label \(label); there are \(classes) classes"
          )
        }
      }
    }

    /// The first records, with their channels together.
    func samples(_ parts: ArraySlice<[UInt8]>, count: Int) -> Samples {
      var labels: [Int32] = []
      var pixels = [UInt8](repeating: 0, count: count * 3072)
      for part in parts {
        for start in stride(from: 0, to: part.count, by: record) where labels.count < count {
          let at = labels.count * 3072
          for channel in 0..<3 {
            for pixel in 0..<1024 {
              pixels[at + pixel * 3 + channel] = part[start + labelBytes + channel * 1024 + pixel]
            }
          }
          labels.append(Int32(part[start + labelBytes - 1]))
        }
      }
      return Samples(storage: .bytes(pixels), labels: labels)
    }
  }
}
