import ArgumentParser
import Dispatch
// The C library's standard output is a global variable.
@preconcurrency import Foundation
import JobQueue
import Postgres
import Tables
import Values

/// jobctl's door: commands put the modules together and speak to people.
@main struct Jobctl: AsyncParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "jobctl",
    abstract: "Batch training of neural networks with annealed noise scale.",
    discussion: """
      A grid file describes runs: a network, data, an optimizer and a schedule that lowers the noise \
      scale by decaying the learning rate or by growing the batch. Submit it, start workers, and \
      read the report.

      Without a database the commands use a private one under $JOBCTL_HOME, started on demand.

      Exit codes: 0 success; 1 failure; 3 to 6 from `wait`, see there; 64 wrong usage; 65 a grid \
      file with errors; 69 no database; 78 a schema that does not fit this program.
      """,
    version: version,
    subcommands: [
      PlanCommand.self, SubmitCommand.self, ListCommand.self, ShowCommand.self, StatusCommand.self,
      WatchCommand.self, WaitCommand.self, CancelCommand.self, RetryCommand.self,
      PauseCommand.self, ResumeCommand.self, PriorityCommand.self, DeleteCommand.self,
      WorkerCommand.self, WorkersCommand.self, ParkCommand.self, UnparkCommand.self,
      EventsCommand.self, CollectCommand.self, CheckCommand.self, DoctorCommand.self,
      ReportCommand.self, CheckpointCommand.self, PredictCommand.self, DatasetCommand.self,
      LocalCommand.self, MigrateCommand.self, SchemaCommand.self, LogsCommand.self,
      SuperviseCommand.self,
    ])

  static func main() async {
    // A reader that closes its end (head, less) ends us quietly.
    signal(SIGPIPE, SIG_DFL)
    do {
      try refuseUnknownCommand(Array(CommandLine.arguments.dropFirst()))
      var command = try parseAsRoot(nil)
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      fail(error)
    }
    end(0)
  }

  /// A mistyped command, said as such. The parser would call it an unexpected argument.
  private static func refuseUnknownCommand(_ arguments: [String]) throws {
    var command: any ParsableCommand.Type = self
    for word in arguments {
      let known = command.configuration.subcommands
      guard !known.isEmpty, !word.hasPrefix("-") else { return }
      let names = known.map { $0.configuration.commandName ?? "" }
      if word == "help" { return }
      guard let place = names.firstIndex(of: word) else {
        throw UnknownCommand(word: word, names: names)
      }
      command = known[place]
    }
  }

  private struct UnknownCommand: Error, CustomStringConvertible {
    let word: String
    let names: [String]
    var description: String {
      "there is no command \"\(shortened(word, to: 40))\"\(hint(word, among: names)); commands: "
        + names.joined(separator: ", ")
    }
  }

  /// Ends the program. Output that could not be written is a failure: a full disk, a closed pipe.
  private static func end(_ code: Int32) -> Never {
    errno = 0
    let isLost = fflush(stdout) != 0 || ferror(stdout) != 0
    if isLost {
      let reason = errno == 0 ? "" : ": \(String(cString: strerror(errno)))"
      complain("the output could not be written\(reason)")
    }
    Foundation.exit(code == 0 && isLost ? ExitStatus.failure : code)
  }

  /// Says what went wrong and ends with the code that docs/CLI.md gives it.
  private static func fail(_ error: any Error) -> Never {
    let code: Int32
    switch error {
    case is InvalidDocument: code = ExitStatus.badGrid
    case is SchemaMismatch, is Migrator.WorkersRun: code = ExitStatus.schemaMismatch
    case is LocalCluster.Failure: code = ExitStatus.noDatabase
    case let error as PostgresError:
      switch error {
      case .cannotConnect, .connectionLost, .timedOut: code = ExitStatus.noDatabase
      case .badTarget: code = ExitStatus.usage
      case .server: code = ExitStatus.failure
      }
    case is UnknownCommand: code = ExitStatus.usage
    case is ValidationError, is ExitCode, is CleanExit: sayAsParser(error)
    default:
      // Arguments that cannot be parsed, requests for help: the parser knows how to say it.
      if "\(type(of: error))" == "CommandError" { sayAsParser(error) }
      code = ExitStatus.failure
    }
    complain("\(error)")
    end(code)
  }

  /// Prints what the parser says of an error or a request for help, and ends with its code.
  private static func sayAsParser(_ error: any Error) -> Never {
    let (text, code) = (fullMessage(for: error), exitCode(for: error))
    if !text.isEmpty {
      if code == .success {
        print(text)
      } else {
        FileHandle.standardError.write(Data((shortened(text, to: mostComplaint) + "\n").utf8))
      }
    }
    end(code.rawValue)
  }
}

/// docs/CLI.md lists these.
enum ExitStatus {
  static let failure: Int32 = 1
  /// `wait`: some runs diverged, the others finished.
  static let diverged: Int32 = 3
  /// `wait`: some runs failed or are parked.
  static let failed: Int32 = 4
  /// `wait`: some runs were cancelled, none failed.
  static let cancelled: Int32 = 5
  /// `wait --timeout`: not over yet.
  static let timedOut: Int32 = 6
  static let usage: Int32 = 64
  static let badGrid: Int32 = 65
  static let noDatabase: Int32 = 69
  static let schemaMismatch: Int32 = 78
}

/// No complaint is longer: arguments and files may hold texts of any length.
private let mostComplaint = 4000

func complain(_ text: String) {
  let text = printableLines(shortened(text, to: mostComplaint))
  FileHandle.standardError.write(Data("jobctl: \(text)\n".utf8))
}
