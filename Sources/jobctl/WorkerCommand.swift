import ArgumentParser
import Datasets
import Foundation
import Host
import JobQueue
import Logging
import Postgres
import Trainers
import Values
import Worker

/// The door of the worker daemon: options, logging, signals.
struct WorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Runs a worker: claims stages and trains them.",
    discussion: """
      SIGTERM, Ctrl-C or any other signal that asks a process to end drains it: stages are \
      checkpointed and given back, and it ends with 0. A \
      second Ctrl-C quits at once; the stages are rescued when their leases run out.
      """)

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var store: StoreOptions
  @Option(help: "Stages trained side by side; as many as cores by default.") var slots: Int?
  @Option(help: "Cores shared among the slots; all by default.") var threads: Int?
  @OptionGroup var grid: GridOption
  @Flag(help: "Stop when nothing is left to do.") var untilEmpty = false
  @Option(help: "Seconds between checkpoints inside a stage.") var checkpointEvery = 120.0
  @Flag(help: "Train stages of trainers too: programs that whoever may submit them has sent.")
  var external = false
  @Option(
    help: ArgumentHelp(
      "The account that trainers run as, which can read neither this worker's store nor its home.",
      valueName: "name")) var trainerUser: String?
  @Option(
    help: ArgumentHelp(
      "Answer /health, /ready and /metrics over HTTP on this port of 127.0.0.1.",
      valueName: "port")) var healthPort: UInt16?
  @Option(help: "Least severe messages shown: debug, info, warning or error.") var logLevel = Level
    .info
  @Flag(
    inversion: .prefixedNo,
    help: "Show progress instead of the log: bars on a terminal (the default there), else lines.")
  var progress: Bool?

  enum Level: String, ExpressibleByArgument, CaseIterable { case debug, info, warning, error }

  func validate() throws {
    for (name, value) in [("--slots", slots), ("--threads", threads)] {
      if let value, !(1...1024).contains(value) {
        throw ValidationError("\(name) takes a number from 1 to 1024, not \(value)")
      }
    }
    if trainerUser != nil, !external {
      throw ValidationError("--trainer-user says how trainers run: it takes --external, too")
    }
    // A century; at most so much fits the clock.
    guard checkpointEvery > 0, checkpointEvery <= 3.2e9 else {
      throw ValidationError(
        "--checkpoint-every takes seconds above 0 and at most 3.2e9, not \(checkpointEvery)")
    }
  }

  func run() async throws {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let threads = threads ?? cores
    let progress = progress ?? (isatty(STDERR_FILENO) == 1)
    let level = progress ? Logger.Level.warning : Logger.Level(rawValue: logLevel.rawValue) ?? .info
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
    let logger = Logger(label: "worker")
    let database = try await database.open(.migrated, logger: logger)
    // A name that is no grid's would idle for ever.
    let only = try await grid.find(in: JobQueue(database))?.name
    let scratch = external ? try Scratch(ProcessInfo.processInfo.environment) : nil
    let trainers = try scratch.map { try trainerOptions($0, logger) }
    let options = WorkerOptions(
      slots: slots ?? threads, threads: threads, grid: only, untilEmpty: untilEmpty,
      checkpointEvery: .milliseconds(Int(nearest: checkpointEvery * 1000)), checkpoints: store.path,
      dataFolders: .ofProcess,
      version: Jobctl.version, trainers: trainers)
    let display = ProgressDisplay(isShown: progress)
    let monitor = WorkerMonitor(version: Jobctl.version)
    let worker = WorkerService(options, target: database.target, logger: logger) { news in
      monitor.note(news)
      display.note(news)
      Systemd.note(news)
    }
    let signals = EndingSignals { signal, count in
      if signal == SIGINT, count > 1 { _exit(130) }
      if signal == SIGINT {
        complain("draining: stages are checkpointed and given back; Ctrl-C again quits at once")
      }
      worker.drain()
    }
    // It outlives the worker's last stage: it answers while stages are checkpointed.
    let health = try healthPort.map { try HealthServer(port: $0, monitor: monitor) }
    try await worker.run()
    scratch?.remove()
    display.finish()
    withExtendedLifetime((signals, health)) {}
  }

  /// How trainers run.
  private func trainerOptions(_ scratch: Scratch, _ logger: Logger) throws -> TrainerOptions {
    var account: Supervisor.Account?
    if let trainerUser {
      guard let found = Supervisor.Account(named: trainerUser) else {
        throw ValidationError("there is no account \"\(shortened(trainerUser, to: 40))\" here")
      }
      guard getuid() == 0 else {
        throw ValidationError(
          "--trainer-user takes a worker that runs as root, to change the account")
      }
      account = found
    } else {
      logger.warning(
        "trainers run as this worker's own account: they can read its store and its home",
        metadata: ["instead": "--trainer-user NAME"])
    }
    let environment = ProcessInfo.processInfo.environment
    let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path
    return TrainerOptions(
      supervisor: program, scratch: scratch.folder, user: account,
      environment: environment)
  }
}
