import ArgumentParser
import Datasets
import Experiments
import Foundation
import Host
import Synchronization
import Tables
import Values

/// Data sets in the data folders: what is there, what is in it, and whether it is still what it was.
struct DatasetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dataset", abstract: "Lists, indexes, shows and verifies data sets.",
    discussion: """
      Data sets lie in the data folders: those of JOBCTL_DATA, and where Debian's packages put theirs. NAME \
      is the name of a set (cifar-10), a path in a data folder (flowers.csv), or a description as in a grid \
      file ('{"name": "csv", "path": "flowers.csv", "header": false}').
      """,
    subcommands: [DatasetList.self, DatasetIndex.self, DatasetShow.self, DatasetVerify.self])
}

/// Says on the terminal, once a second, how far an indexing has come.
final class IndexingProgress: Sendable {
  private let last = Mutex(ContinuousClock.now)

  var note: DataFolders.Progress {
    { [self] done, all, folder in
      let isDue = last.withLock { last in
        guard ContinuousClock.now - last > .seconds(1) || done == all else { return false }
        last = .now
        return true
      }
      // A few files are no news.
      guard isDue, all > 1000 else { return }
      FileHandle.standardError.write(
        Data("\(printable(folder)): \(done) of \(all) files are indexed\n".utf8))
    }
  }
}

/// A data set that is named on the command line.
struct DatasetArgument: ParsableArguments {
  @Argument(help: "A set's name, a path in a data folder, or a description as in a grid file.")
  var name: String

  func find(in folders: DataFolders) throws -> FoundDataset { try folders.dataset(name) }
}

struct DatasetList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists the data sets that are here.")

  @Flag(help: "Print JSON.") var json = false

  private struct Row {
    let found: FoundDataset
    let facts: DatasetFacts?
    let state: String
  }

  func run() throws {
    let folders = DataFolders.ofProcess
    let rows = folders.datasets().map { found in
      let published = found.spec.publishedFacts
      do {
        let files = try found.spec.files(in: folders)
        let kept = KeptFacts(of: found.spec, in: folders)
        if let published, published.digest != nil {
          return Row(found: found, facts: published, state: "known")
        }
        guard let kept else { return Row(found: found, facts: published, state: "not indexed") }
        let isFolder = files.count == 1 && found.spec.name.hasPrefix("image")
        return Row(
          found: found, facts: kept.facts,
          state: isFolder || kept.areOf(files) ? "indexed" : "changed since it was indexed")
      } catch {
        return Row(found: found, facts: published, state: "\(error)")
      }
    }
    let listing = Listing(
      rows,
      [
        .text("name") { printable($0.found.name) },
        .text("kind") { $0.found.spec.name },
        .integer("train") { $0.facts?.train }, .integer("test") { $0.facts?.test },
        .integer("classes") { $0.facts?.classes },
        .text("state") { printable($0.state) },
      ])
    if json {
      print(JSON.object([.init("format", 1), .init("datasets", listing.json)]).pretty())
    } else {
      print(
        listing.text(
          or:
            "No data sets in \(folders.roots.joined(separator: ", ")); set JOBCTL_DATA to a folder "
            + "that has some."))
    }
  }
}

struct DatasetIndex: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "index", abstract: "Reads a data set once, and keeps what planning needs of it.",
    discussion: """
      Of a folder of pictures, every file is read and decoded. An indexing that was interrupted goes on \
      where it was; files that have not changed are not read again. Exits with 1 where files are damaged.
      """)

  @OptionGroup var dataset: DatasetArgument

  func run() throws {
    let folders = DataFolders.ofProcess
    let found = try dataset.find(in: folders)
    let facts = try found.spec.facts(from: folders)
    let damaged = try found.spec.damagedFiles(in: folders)
    print(
      "\(printable(found.name)): \(facts.train) training and \(facts.test) test samples, "
        + "\(facts.classes) classes, digest \(facts.digest?.prefix(12) ?? "unknown")")
    try DatasetIndex.refuse(damaged, "are damaged")
  }

  /// Names the files, and ends the command with a failure where there are some.
  static func refuse(_ files: [DamagedFile], _ what: String) throws {
    for file in files { print("\(printable(file.file)): \(printable(file.reason))") }
    guard !files.isEmpty else { return }
    print("\(count(files.count, "file")) \(what).".replacing("1 file are", with: "1 file is"))
    throw ExitCode(ExitStatus.failure)
  }
}

struct DatasetShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Shows samples, classes, sizes and damaged files of a data set.")

  @OptionGroup var dataset: DatasetArgument
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let folders = DataFolders.ofProcess
    let found = try dataset.find(in: folders)
    let damaged = try found.spec.damagedFiles(in: folders)
    let files = try found.spec.files(in: folders)
    let loaded = try Dataset.load(found.spec, from: folders)
    let sizes = try found.spec.sizes(in: folders)
    print(
      json
        ? document(found, loaded, files, damaged, sizes).pretty()
        : text(found, loaded, files, damaged, sizes))
  }

  private struct ClassRow {
    let name: String
    var train = 0
    var test = 0
  }

  private func classes(_ dataset: Dataset) -> [ClassRow] {
    var rows = dataset.inputs.classes.map { ClassRow(name: $0) }
    for label in dataset.train.labels { rows[Int(label)].train += 1 }
    for label in dataset.test.labels { rows[Int(label)].test += 1 }
    return rows
  }

  private func listing(_ rows: [ClassRow]) -> Listing<ClassRow> {
    Listing(
      rows,
      [
        .text("class") { printable($0.name) }, .integer("train") { $0.train },
        .integer("test") { $0.test },
      ])
  }

  private static let mostClasses = 30

  private func text(
    _ found: FoundDataset, _ dataset: Dataset, _ files: [String], _ damaged: [DamagedFile],
    _ sizes: String
  ) -> String {
    let facts = dataset.facts
    let rows = classes(dataset)
    var lines = [
      "\(printable(found.name)): \(found.spec.name)",
      "description: \(found.spec.json.encoded())",
    ]
    lines += files.map { "file: \(printable($0))" }
    lines.append("size: \(sizes)")
    lines.append("samples: \(facts.train) for training, \(facts.test) for testing")
    lines.append(
      facts.height == 1 && facts.width == 1
        ? "input: \(count(facts.channels, "number"))"
        : "input: \(facts.height) x \(facts.width) pixels, \(count(facts.channels, "channel"))")
    lines.append("digest: \(facts.digest ?? "none")")
    if let columns = columns(dataset) { lines += ["", columns.text(or: "")] }
    lines += ["", listing(Array(rows.prefix(DatasetShow.mostClasses))).text(or: "")]
    if rows.count > DatasetShow.mostClasses {
      lines.append("... and \(rows.count - DatasetShow.mostClasses) more classes; --json has all")
    }
    if !damaged.isEmpty {
      lines += ["", "\(count(damaged.count, "file")) cannot be used:"]
      lines += damaged.map { "\(printable($0.file)): \(printable($0.reason))" }
    }
    return lines.joined(separator: "\n")
  }

  private func columns(_ dataset: Dataset) -> Listing<TableColumnFacts>? {
    guard let columns = dataset.inputs.tableColumns else { return nil }
    return Listing(
      columns,
      [
        .text("column") { printable($0.name) }, .text("kind") { $0.kind },
        .integer("features") { $0.features }, .text("values") { printable($0.values) },
      ])
  }

  private func document(
    _ found: FoundDataset, _ dataset: Dataset, _ files: [String], _ damaged: [DamagedFile],
    _ sizes: String
  ) -> JSON {
    let facts = dataset.facts
    return [
      "format": 1, "name": .string(found.name), "dataset": found.spec.json,
      "files": .array(files.map(JSON.string)), "sizes": .string(sizes),
      "train": .integer(facts.train),
      "test": .integer(facts.test), "digest": facts.digest.map(JSON.string) ?? .null,
      "inputs": dataset.inputs.json, "classes": listing(classes(dataset)).json,
      "damaged": .array(
        damaged.map { ["file": .string($0.file), "reason": .string($0.reason)] }),
    ]
  }
}

struct DatasetVerify: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Reads a data set whole, and compares it with what was read first.",
    discussion: "Exits with 1 where files are damaged or have changed. Nothing is changed.")

  @OptionGroup var dataset: DatasetArgument

  func run() throws {
    let folders = DataFolders.ofProcess
    let found = try dataset.find(in: folders)
    guard let bad = try found.spec.changedFiles(in: folders) else {
      print(
        "\(printable(found.name)) has not been read yet, so there is nothing to compare it with; "
          + "jobctl dataset index reads it.")
      throw ExitCode(ExitStatus.failure)
    }
    try DatasetIndex.refuse(bad, "are damaged or have changed")
    print("\(printable(found.name)): all files are what they were when they were read first.")
  }
}
