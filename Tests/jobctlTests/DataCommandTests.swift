import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// A user's own data, from the data folder to a network that is taken home, with the real program.
@Suite(.serialized) struct DataCommandTests {
  private let queue: JobQueue
  private let folder: TemporaryFolder
  private let fixtures = repository.appending(path: "Tests/Fixtures/pictures").path

  init() async throws {
    queue = try await TestCluster.queue()
    folder = try TemporaryFolder()
  }

  private func run(_ arguments: String...) async throws -> Program.Result {
    try await Program.run(
      arguments, database: queue.database.target.string, home: folder.path + "/home",
      data: folder.path + "/data")
  }

  private func write(_ text: String, _ name: String) throws {
    let place = URL(filePath: "\(folder.path)/data/\(name)")
    try FileManager.default.createDirectory(
      at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: place)
  }

  /// Two classes of pictures that are told apart by their brightness, mostly.
  private func pictures() throws {
    for split in ["train", "val"] {
      for (label, names) in [
        ("colour", ["colour.jpg", "progressive.jpg", "full-colour.jpg", "half-colour.jpg"]),
        ("grey", ["grey.jpg", "grey.png", "palette.png", "alpha.png"]),
      ] {
        let place = "\(folder.path)/data/pictures/\(split)/\(label)"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        for name in names {
          try FileManager.default.copyItem(
            atPath: "\(fixtures)/\(name)", toPath: "\(place)/\(name)")
        }
      }
    }
  }

  private func grid(_ name: String, _ dataset: JSON, _ network: JSON) throws -> String {
    let document: JSON = [
      "name": .string(name), "dataset": dataset, "network": network, "epochs": 4,
      "optimizer": ["name": "momentum", "learning_rate": .number("0.05")],
      "batch": ["size": 8, "ghost": 8],
      "schedule": ["name": "increase", "drops": ["epochs": [2], "factor": 2]], "seeds": [1],
    ]
    try write(document.pretty(), name + ".json")
    return "\(folder.path)/data/\(name).json"
  }

  // MARK: - dataset

  @Test func foldersAreListedIndexedShownAndVerified() async throws {
    try pictures()
    try write("GIF89a", "pictures/train/grey/animated.jpg")
    let unread = try await run("dataset", "verify", "pictures")
    #expect(unread.status == 1 && unread.output.contains("has not been read yet"))
    let before = try await run("dataset", "list")
    #expect(before.output.contains("pictures") && before.output.contains("not indexed"))
    let index = try await run("dataset", "index", "pictures")
    #expect(index.status == 1)
    #expect(index.output.contains("8 training and 8 test samples, 2 classes"))
    #expect(index.output.contains("train/grey/animated.jpg: is a GIF"), "\(index.output)")
    #expect(try await run("dataset", "list").output.contains("indexed"))
    let shown = try await run("dataset", "show", "pictures")
    #expect(shown.status == 0)
    for part in [
      "8 for training, 8 for testing", "colour", "1 file cannot be used", "GIF", "17 files,",
      "of 150 x 110 to 150 x 110 pixels",
    ] {
      #expect(shown.output.contains(part), "\(shown.output)")
    }
    let document = try JSON(parsing: try await run("dataset", "show", "pictures", "--json").output)
    #expect(document["classes"]?.items?.count == 2 && document["damaged"]?.items?.count == 1)
    // The same size and the same time, and other bytes.
    let place = "\(folder.path)/data/pictures/val/grey/grey.jpg"
    var facts = stat()
    #expect(stat(place, &facts) == 0)
    var bytes = try Data(contentsOf: URL(filePath: place))
    bytes[bytes.count / 2] ^= 1
    let handle = try FileHandle(forWritingTo: URL(filePath: place))
    try handle.write(contentsOf: bytes)
    try handle.close()
    #expect(utimensat(AT_FDCWD, place, [facts.st_atim, facts.st_mtim], 0) == 0)
    // Another time, another file, and one file less: nothing is indexed anew meanwhile.
    let data = folder.path + "/data/pictures"
    try FileManager.default.removeItem(atPath: data + "/train/colour/colour.jpg")
    try FileManager.default.moveItem(
      atPath: data + "/train/colour/full-colour.jpg", toPath: data + "/train/colour/new.jpg")
    try Data(contentsOf: URL(filePath: "\(fixtures)/grey.png")).write(
      to: URL(filePath: data + "/val/grey/palette.png"))
    for _ in 0..<2 {
      let verified = try await run("dataset", "verify", "pictures")
      #expect(verified.status == 1)
      for part in [
        "train/grey/animated.jpg: is a GIF", "val/grey/grey.jpg: has other bytes",
        "val/grey/palette.png: has other bytes", "train/colour/colour.jpg: is gone",
        "train/colour/new.jpg: was not there", "train/colour/full-colour.jpg: is gone",
        "6 files are damaged or have changed",
      ] {
        #expect(verified.output.contains(part), "\(verified.output)")
      }
    }
  }

  @Test func indexedDataArePlannedWithoutTheirFiles() async throws {
    let rows = (0..<60).map { "\($0 % 7),\(["red", "blue"][$0 % 2]),\($0 % 3)" }
    try write("a,colour,label\n" + rows.joined(separator: "\n"), "rows.csv")
    let unread = try await run("dataset", "verify", "rows.csv")
    #expect(unread.status == 1 && unread.output.contains("has not been read yet"))
    let file = try grid("rows", ["name": "csv", "path": "rows.csv"], "mlp")
    let first = try await run("plan", file)
    #expect(first.status == 0, "\(first.error)")
    #expect(try await run("dataset", "list").output.contains("indexed"))
    #expect(try await run("dataset", "verify", "rows.csv").status == 0)
    let columns = try await run("dataset", "show", "rows.csv").output
    #expect(columns.contains("blue, red") && columns.contains("mean"), "\(columns)")
    let place = URL(filePath: folder.path + "/data/rows.csv")
    let away = URL(filePath: folder.path + "/rows.csv")
    try FileManager.default.moveItem(at: place, to: away)
    let second = try await run("plan", file)
    #expect(second.status == 0 && second.output == first.output, "\(second.error)")
    // Another file of that name is read.
    try write("a,colour,label\n" + rows.reversed().joined(separator: "\n"), "rows.csv")
    let other = try await run("plan", file)
    #expect(other.status == 0 && other.output != first.output)
    try write("a,colour,label\n" + rows.dropLast().joined(separator: "\n"), "rows.csv")
    #expect(
      try await run("dataset", "list").output.contains("changed since it was indexed"))
  }

  @Test func whatIsNoDataSetIsRefusedWithWhatToDo() async throws {
    try write("{}", "notes.txt")
    for (word, part) in [
      ("nothing.csv", "is not here: looked in"), ("notes.txt", "is no data set by its looks"),
      ("/etc/passwd", "leads out of the data folders"), ("{\"name\": \"cvs\"}", "csv"),
      ("imagenet", "is not here"),
    ] {
      for command in ["show", "index", "verify"] where (word, command) != ("imagenet", "index") {
        let result = try await run("dataset", command, word)
        #expect(result.status != 0 && result.error.contains(part), "\(command): \(result.error)")
      }
    }
  }

  // MARK: - export and predict

  private struct Tested {
    var accuracy: Double
    var loss: Double
  }

  /// The last measurement of the only run.
  private func measured(_ grid: String) async throws -> Tested {
    let values = try await queue.value(
      "select m.test_accuracy::text || ' ' || m.test_loss::text from report.run_measurement m "
        + "where m.grid = '\(grid)' order by m.samples desc limit 1")
    let numbers = (values ?? "").split(separator: " ").compactMap { Double($0) }
    return Tested(accuracy: numbers.first ?? -1, loss: numbers.last ?? -1)
  }

  /// What `predict` says of files, beside the classes that they have.
  private func predicted(
    _ model: String, _ files: [String], _ label: (Int, String) -> String
  ) async throws -> Tested {
    let result = try await Program.run(
      ["predict", model] + files + ["--json", "--top", "100"], home: folder.path)
    #expect(result.status == 0, "\(result.error)")
    let all = try JSON(parsing: result.output)["predictions"]?.items ?? []
    var tested = Tested(accuracy: 0, loss: 0)
    for (place, prediction) in all.enumerated() {
      let classes = prediction["classes"]?.items ?? []
      let truth = label(place, prediction["input"]?.stringValue ?? "")
      let own = classes.first { $0["class"]?.stringValue == truth }
      tested.loss -= log(own?["probability"]?.doubleValue ?? 0) / Double(all.count)
      if classes.first?["class"]?.stringValue == truth { tested.accuracy += 1 / Double(all.count) }
      let sum = classes.reduce(0) { $0 + ($1["probability"]?.doubleValue ?? 0) }
      #expect(abs(sum - 1) < 1e-9)
    }
    return tested
  }

  @Test func predictionsOfRowsAreTheRunsOwn() async throws {
    func row(_ n: Int) -> String {
      "\(n % 11 == 3 ? "NA" : "\(n * n % 17)"),\(["red", "blue", "?"][n * 7 % 3]),\(n % 5)"
    }
    let labels = (0..<90).map { ["low", "high"][$0 * $0 % 17 > 8 ? 1 : 0] }
    try write(
      "a;colour;b;label\n"
        + (0..<60).map { row($0).replacing(",", with: ";") + ";\(labels[$0])" }
        .joined(separator: "\n"), "train.csv")
    let test =
      "b;a;colour;label\n"
      + (60..<90).map { n in
        let cells = row(n).split(separator: ",")
        return "\(cells[2]);\(cells[0]);\(cells[1]);\(labels[n])"
      }.joined(separator: "\n")
    try write(test, "test.csv")
    let dataset: JSON = [
      "name": "csv", "path": "train.csv", "test_path": "test.csv", "separator": ";",
      "missing": "mean",
    ]
    let file = try grid("rows", dataset, ["name": "mlp", "hidden": [16]])
    #expect(try await run("submit", file).status == 0)
    let worker = try await run("worker", "--until-empty")
    #expect(worker.status == 0, "\(worker.error)")
    let model = folder.path + "/rows.safetensors"
    let export = try await run("checkpoint", "export", "rows", "seed=1", model)
    #expect(export.status == 0, "\(export.error)")
    let own = try await measured("rows")
    let found = try await predicted(model, [folder.path + "/data/test.csv"]) { place, _ in
      labels[60 + place]
    }
    #expect(abs(own.accuracy - found.accuracy) < 1e-6 && abs(own.loss - found.loss) < 1e-5)
    // A word is no missing value, also where those are filled in.
    try write("b;a;colour\n1;12abc;red\n", "words.csv")
    for (name, part) in [
      ("rows.json", "rows.json"), ("words.csv", "line 2, column \"a\": \"12abc\""),
    ] {
      let refused = try await Program.run(
        ["predict", model, "\(folder.path)/data/\(name)"], home: folder.path)
      #expect(refused.status == 1 && refused.error.contains(part), "\(refused.error)")
    }
  }

  @Test func predictionsOfArraysAreTheRunsOwnAndOtherShapesAreRefused() async throws {
    let data = folder.path + "/data"
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    let arrays = repository.appending(path: "Tests/Fixtures/arrays").path
    try FileManager.default.copyItem(atPath: arrays + "/small", toPath: data + "/small")
    let file = try grid(
      "arrays", ["name": "arrays", "path": "small"], ["name": "mlp", "hidden": [8]])
    #expect(try await run("submit", file).status == 0)
    #expect(try await run("worker", "--until-empty").status == 0)
    let model = folder.path + "/arrays.safetensors"
    #expect(try await run("checkpoint", "export", "arrays", "seed=1", model).status == 0)
    let own = try await measured("arrays")
    let found = try await predicted(model, [data + "/small/x_test.npy"]) { place, _ in
      ["-2", "1", "4", "7"][place % 4]
    }
    #expect(abs(own.accuracy - found.accuracy) < 1e-6 && abs(own.loss - found.loss) < 1e-5)
    // The same numbers, with the channels first.
    var bytes = try Data(contentsOf: URL(filePath: data + "/small/x_test.npy"))
    let (shape, turned) = (Data("(8, 5, 4, 3)".utf8), Data("(8, 3, 5, 4)".utf8))
    bytes.replaceSubrange(try #require(bytes.range(of: shape)), with: turned)
    try bytes.write(to: URL(filePath: data + "/turned.npy"))
    let refused = try await Program.run(
      ["predict", model, data + "/turned.npy"], home: folder.path)
    #expect(refused.status == 1)
    #expect(refused.error.contains("the network takes (n, 5, 4, 3), channels last"))
  }

  @Test func predictionsOfPicturesAreTheRunsOwnAtEachEpoch() async throws {
    try pictures()
    let file = try grid(
      "pictures", ["name": "image-folder", "path": "pictures", "size": 24], "cnn")
    #expect(try await run("submit", file).status == 0)
    let worker = try await run("worker", "--until-empty")
    #expect(worker.status == 0, "\(worker.error)")
    let model = folder.path + "/pictures.safetensors"
    #expect(try await run("checkpoint", "export", "pictures", "seed=1", model).status == 0)
    let files = ["colour", "grey"].flatMap { label in
      let place = "\(folder.path)/data/pictures/val/\(label)"
      return ((try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []).sorted()
        .map { "\(place)/\($0)" }
    }
    let own = try await measured("pictures")
    let found = try await predicted(model, files) { _, name in
      name.contains("/grey/") ? "grey" : "colour"
    }
    #expect(abs(own.accuracy - found.accuracy) < 1e-6 && abs(own.loss - found.loss) < 1e-5)
    let report = try await run("report", "pictures")
    #expect(report.output.contains("Classes of image-folder: 2: colour, grey"), "\(report.output)")
    let document = try JSON(parsing: try await run("report", "pictures", "--format", "json").output)
    let data = document["provenance"]?.items?.first?["datasets"]?.items?.first
    #expect(data?["classes"] == ["colour", "grey"], "\(document)")
    let early = try await run(
      "checkpoint", "export", "pictures", "seed=1", model, "--epoch", "2", "--optimizer")
    #expect(early.status == 0 && early.output.contains("not finished"), "\(early.output)")
    let none = try await run("checkpoint", "export", "pictures", "seed=1", model, "--epoch", "3")
    #expect(none.status != 0 && none.error.contains("at the epochs 2, 4"), "\(none.error)")
    // A file that is no picture fails by name, and the others are classified.
    try write("GIF89a", "animated.gif")
    let mixed = try await Program.run(
      ["predict", model, folder.path + "/data/animated.gif", files[0]], home: folder.path)
    #expect(mixed.status == 1 && mixed.error.contains("animated.gif: is a GIF"))
    #expect(mixed.error.contains("unfinished run: epoch 2"))
    #expect(mixed.output.contains(URL(filePath: files[0]).lastPathComponent))
  }
}
