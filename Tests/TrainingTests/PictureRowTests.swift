import Datasets
import Experiments
import Foundation
import TestSupport
import Testing
import Values

/// Rows of the paper's experiments on ImageNet, on two dozen pictures: `make pictures` trains all of them on
/// a few hundred.
@Suite(.serialized) struct PictureRowTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let fixtures = repository.appending(path: "Tests/Fixtures/pictures").path
    let names = try FileManager.default.contentsOfDirectory(atPath: fixtures).sorted()
      .filter { $0.hasSuffix(".jpg") || $0.hasSuffix(".png") }
    for (place, label) in ["a", "b", "c"].enumerated() {
      for (split, count) in [("train", 8), ("val", 3)] {
        let path = "\(folder.path)/tiny/\(split)/\(label)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for name in (0..<count).map({ names[($0 + 2 * place) % names.count] }) {
          try FileManager.default.copyItem(
            atPath: "\(fixtures)/\(name)", toPath: "\(path)/\(name)")
        }
      }
    }
  }

  @Test(arguments: ["momentum-0.95", "resnet-50"])
  func aRowEndsInTheSameBitsHoweverItIsInterrupted(row: String) throws {
    let file = repository.appending(path: "examples/imagenet-small.json")
    var document = try JSON(parsing: String(contentsOf: file, encoding: .utf8))
    let variant = try #require(document["variants"]?[row])
    document = document.setting(["variants"], to: .object([.init(row, variant)]))
      .setting(["epochs"], to: 1).setting(["schedule"], to: ["name": "constant"])
      .setting(["batch", "maximum"], to: 16).setting(["seeds"], to: [3])
    let run = try SmallRun(document, from: DataFolders(roots: [folder.path]))
    #expect(run.dataset.facts.train == 24 && run.dataset.facts.height == 80)
    // The files of these networks have hundreds of megabytes.
    let whole = try run.train(threads: 2, throughFiles: false)
    #expect(whole.measurements.count == 1)
    #expect(try run.train(threads: 1, stopAfter: [1], throughFiles: false) == whole)
  }
}
