import ArgumentParser
import Checkpoints
import Foundation
import JobQueue
import Logging
import Postgres
import Tables
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
  @OptionGroup var grid: GridOption

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let id = try await grid.find(in: queue)?.id
    let checkpoints = Listing(
      try await queue.checkpoints(grid: id),
      [
        .integer("id") { $0.id }, .integer("stage") { $0.stage },
        .integer("samples") { $0.samples }, .integer("updates") { $0.updates },
        .text("end") { $0.isFinal ? "yes" : "" }, .integer("bytes") { $0.bytes },
        .text("state") { $0.state.rawValue }, .text("file") { $0.file },
      ])
    print(checkpoints.text(or: "No checkpoints."))
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
