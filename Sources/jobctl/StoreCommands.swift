import ArgumentParser
import Checkpoints
import Foundation
import JobQueue
import Logging
import Postgres
import Reports
import Values
import Worker

/// Which checkpoint store a command works on.
struct StoreOptions: ParsableArguments {
  @Option(help: "The folder of checkpoint files; checkpoints under $JOBCTL_HOME by default.")
  var checkpoints: String?

  /// A folder that is named needs no home.
  func validate() throws {
    if checkpoints == nil { try DatabaseOptions.requireHome() }
  }

  var path: String { checkpoints ?? DatabaseOptions.home + "/checkpoints" }
}

struct CheckpointCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint", abstract: "Lists, verifies and exports checkpoints.",
    subcommands: [CheckpointList.self, CheckpointVerify.self, CheckpointExport.self])
}

struct CheckpointList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists the checkpoints that the queue knows.")

  @OptionGroup var database: DatabaseOptions
  @Option(help: "Only those of this grid's stages.") var grid: String?

  func run() async throws {
    let database = try await database.open()
    let id = grid == nil ? nil : try await findGrid(grid ?? "", in: database).0
    var table = TextTable([
      ("id", .right), ("stage", .right), ("samples", .right), ("updates", .right), ("end", .left),
      ("bytes", .right), ("state", .left), ("file", .left),
    ])
    for row in try await JobQueue(database).checkpoints(grid: id) {
      table.add([
        String(row.id), String(row.stage), String(row.samples), String(row.updates),
        row.isFinal ? "yes" : "", String(row.bytes), row.state.rawValue, row.file,
      ])
    }
    print(table.isEmpty ? "No checkpoints." : table.text)
  }
}

struct CheckpointVerify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Reads every checkpoint of this store whole and compares it with the queue.",
    discussion: "Exits with 1 when one is damaged or missing. Nothing is changed.")

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var store: StoreOptions

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let store = try await openStore(store.path, of: queue, for: .reading).store
    let files = try await queue.files(of: store.id, valid: true)
    var bad = 0
    for row in files {
      do throws(CheckpointError) {
        _ = try store.read(row.file, digest: row.digest, limit: row.memoryBytes)
      } catch {
        bad += 1
        print("\(error)")
      }
    }
    print("\(files.count - bad) of \(files.count) checkpoints in \(store.path) are whole.")
    if bad > 0 { throw ExitCode(ExitStatus.failure) }
  }
}

struct CheckpointExport: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes the final checkpoint of a run as a safetensors file.")

  @OptionGroup var grid: GridArgument
  @Argument(help: "A run's name.") var run: String
  @Argument(help: "The file to write.", completion: .file(extensions: ["safetensors"])) var output:
    String
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var store: StoreOptions

  func run() async throws {
    let database = try await database.open()
    let (id, name) = try await findGrid(grid.grid, in: database)
    guard let end = try await JobQueue(database).end(ofRun: self.run, grid: id) else {
      throw ValidationError(
        "run \(self.run) of grid \(name) has no final checkpoint, or none any more")
    }
    let store = try await openStore(store.path, of: JobQueue(database), for: .reading).store
    guard store.id == end.store else {
      throw ValidationError(
        "the checkpoint is in another store than \(store.path); see jobctl checkpoint list")
    }
    let bytes = try store.decompressed(end.file, digest: end.digest, limit: end.memoryBytes)
    try Data(bytes).write(to: URL(filePath: output), options: .atomic)
    print("\(output): \(bytes.count) bytes")
  }
}
