import ArgumentParser
import Foundation
import JobQueue
import Trainers
import Values

// Commands around trainers: programs of users' own (docs/TRAINERS.md).

struct LogsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs", abstract: "Prints the end of what a run's trainer has written.",
    discussion: """
      The queue keeps the last 8 KiB of each attempt. All of it, up to 16 MiB, lies in the folder logs \
      beside the checkpoints of the worker, as stage-S-attempt-A.log. The engine of jobctl writes \
      none.
      """)

  @OptionGroup var grid: GridArgument
  @Argument(help: "A run's name.") var run: String
  @Flag(help: "Print on until the run is over.") var follow = false
  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let grid = try await grid.find(in: queue)
    try await queue.require(run: run, of: grid)
    var shown: [Lease: String] = [:]
    var last: Lease?
    while true {
      let logs = try await queue.logs(ofRun: run, grid: grid.id)
      for log in logs {
        let news = LogsCommand.news(in: log.text ?? "", after: shown[log.lease] ?? "")
        guard !news.isEmpty else { continue }
        if last != log.lease {
          print(
            "== stage \(log.lease.stage), attempt \(log.lease.attempt)"
              + (log.outcome.map { " (\($0))" } ?? ""))
        }
        print(news, terminator: news.hasSuffix("\n") ? "" : "\n")
        shown[log.lease] = log.text
        last = log.lease
      }
      guard follow, try await !queue.isOver(run: run, grid: grid.id) else { break }
      fflush(nil)
      try await Task.sleep(for: .seconds(1))
    }
    if shown.isEmpty { print("Nothing was written.") }
  }

  /// What a log has that was not shown. The queue keeps its end, so its beginning moves on.
  private static func news(in text: String, after shown: String) -> String {
    if shown.isEmpty { return text }
    if text.hasPrefix(shown) { return String(text.dropFirst(shown.count)) }
    guard let place = text.range(of: String(shown.suffix(200))) else { return text }
    return String(text[place.upperBound...])
  }
}

/// The folder for what trainers need while they run.
enum Scratch {
  struct Unusable: Error, CustomStringConvertible {
    let folder: String
    var description: String {
      "\(folder) is no folder of this account alone; remove it, or set TMPDIR"
    }
  }

  /// Folders of workers that are gone are in nobody's way: what is made anew replaces them.
  static func make(_ environment: [String: String]) throws -> String {
    let base = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/var/tmp"
    let folder = "\(base)/jobctl-trainers-\(getuid())"
    mkdir(folder, 0o711)
    var facts = stat()
    guard lstat(folder, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR, facts.st_uid == getuid(),
      facts.st_mode & 0o022 == 0
    else { throw Unusable(folder: folder) }
    let own = "\(folder)/\(getpid())"
    // What cannot be removed stops the next line.
    try? FileManager.default.removeItem(atPath: own)
    guard mkdir(own, 0o711) == 0 else { throw Unusable(folder: own) }
    return own
  }
}

/// The process between a worker and a trainer. Workers alone call it.
struct SuperviseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: Supervisor.word, abstract: "Runs one trainer for a worker.", shouldDisplay: false)

  @Argument(parsing: .captureForPassthrough) var words: [String] = []

  func run() throws {
    guard let supervisor = Supervisor(words) else {
      throw ValidationError("this command is for workers; jobctl worker --external runs trainers")
    }
    _exit(supervisor.run())
  }
}
