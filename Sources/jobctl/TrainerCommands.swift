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

/// The folder for what a worker's trainers need while they run. The worker holds a lock on it. The next
/// worker removes every folder without a lock: those of workers that have ended, however they ended.
///
/// Sendable: nothing of it changes.
final class Scratch: Sendable {
  struct Unusable: Error, CustomStringConvertible {
    let folder: String
    var description: String {
      "\(folder) is no folder of this account alone; remove it, or set TMPDIR"
    }
  }

  let folder: String
  private let lock: Int32

  init(_ environment: [String: String]) throws {
    let base = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/var/tmp"
    let all = "\(base)/jobctl-trainers-\(getuid())"
    mkdir(all, 0o711)
    var facts = stat()
    guard lstat(all, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR, facts.st_uid == getuid(),
      facts.st_mode & 0o022 == 0, let gate = Scratch.lock(all, waits: true)
    else { throw Unusable(folder: all) }
    // Until this worker's folder is locked too, no other worker removes any.
    defer { close(gate) }
    Scratch.removeAbandoned(in: all)
    folder = "\(all)/\(getpid())-\(UUID().uuidString.prefix(8))"
    guard mkdir(folder, 0o711) == 0, let lock = Scratch.lock(folder, waits: false) else {
      throw Unusable(folder: folder)
    }
    self.lock = lock
  }

  private static func removeAbandoned(in all: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: all)) ?? []
    for place in names.map({ "\(all)/\($0)" }) {
      guard let lock = lock(place, waits: false) else { continue }
      CodePackage.remove(place)
      close(lock)
    }
  }

  /// A descriptor that holds the lock; nil where another process holds it.
  private static func lock(_ folder: String, waits: Bool) -> Int32? {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    guard flock(descriptor, waits ? LOCK_EX : LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  /// Removes the folder, when the worker has ended well.
  func remove() {
    CodePackage.remove(folder)
    close(lock)
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
