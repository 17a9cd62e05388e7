import ArgumentParser
import Foundation
import Host
import JobQueue
import Logging
import Postgres
import Values

/// Real workers and a real database under real faults, from one seed; what is trained is compared
/// with what undisturbed workers have trained. For development; never shipped.
@main struct Chaos: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chaos",
    abstract: "Torments workers and their database; the results must not show it.",
    discussion: """
      Needs root for a small tmpfs as checkpoint disk; without it the disk is never filled. Exits \
      with 1 when a digest, a count or a measurement differs.
      """)

  @Option(help: "Faults to cause, of which most are SIGKILLs.") var faults = 100
  @Option(help: "What faults and their moments follow from.") var seed = 1
  @Option(help: "Workers side by side.") var workers = 3
  @Option(help: "Runs to train.") var runs = 12
  @Option(help: "Epochs of each run.") var epochs = 6
  @Option(help: "The longest it may take, in minutes.") var minutes = 90.0
  @Option(help: "The jobctl to run.") var program = ".build/release/jobctl"
  @Option(
    help: """
      A folder with a trainer's grid.json, such as examples/trainers/numpy: trains this with a program \
      of its own, which is killed too. Takes the python3 of /usr/bin, with NumPy.
      """)
  var trainer: String?
  @Flag(
    help: """
      SIGKILLs alone, of workers that train, while others idle: how soon does work go on? Nothing is \
      compared, and nothing trained to its end.
      """)
  var recovery = false

  func run() async throws {
    // A signal ends it like any error: what it started and mounted goes with it.
    let (ended, continuation) = AsyncStream<Int32>.makeStream()
    let signals = EndingSignals { signal, _ in continuation.yield(signal) }
    defer { withExtendedLifetime(signals) {} }
    try await withThrowingTaskGroup { group in
      group.addTask { try await torment() }
      group.addTask {
        for await signal in ended { throw ExitCode(128 + signal) }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func torment() async throws {
    let folder = "/tmp/jobctl-chaos-\(getpid())"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o711])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let grid = try trainer.map { try externalGrid(in: $0) } ?? self.grid
    let file = folder + "/grid.json"
    try grid.pretty().write(toFile: file, atomically: true, encoding: .utf8)
    if recovery { return try await recover(file, in: folder) }

    print("Training \(runs) runs undisturbed.")
    fflush(nil)
    let deadline = ContinuousClock.now + .seconds(minutes * 60)
    let calm = try Site(
      folder: folder + "/calm", program: program, hasSmallDisk: false, runs: runs,
      trains: trainer != nil)
    let start = ContinuousClock.now
    let expected = try await calm.whileOpen(submitting: file) {
      guard try await calm.worker(through: nil, slots: 2).ended(by: deadline) == 0 else {
        throw ValidationError("the undisturbed worker did not come to its end")
      }
      return try await Results(of: calm.database)
    }
    guard expected.runs == expected.finished, expected.runs > 0 else {
      throw ValidationError("undisturbed, \(expected.finished) of \(expected.runs) runs finished")
    }
    print(
      "That took \(Int((ContinuousClock.now - start) / .seconds(1))) s. Now with \(workers) workers "
        + "and seed \(seed).")
    fflush(nil)

    let site = try Site(
      folder: folder + "/chaos", program: program, hasSmallDisk: true, runs: runs,
      trains: trainer != nil)
    try await site.whileOpen(submitting: file) {
      let neighbour = try await Neighbour(beside: site, submitting: file)
      let tormentor = try await Tormentor(site, neighbour, seed: seed, workers: workers)
      let isOver = try await tormentor.run(faults: faults, deadline: deadline)
      let found = try await Results(of: site.database)
      let beside = try await neighbour.results(by: deadline)
      print(try await tormentor.table())
      print(try await tormentor.recoveries())
      let faults =
        neighbour.violations.map { "VIOLATION: \($0)" } + (try await contradictions(in: site))
        + (try await leftovers(in: site))
      try judge(expected, found, beside, faults, isOver)
    }
  }

  private func contradictions(in site: Site) async throws -> [String] {
    try await site.database.query("select what, stage_id from report.contradiction")
      .map { "CONTRADICTION: stage \($0["stage_id"] ?? ""): \($0["what"] ?? "")" }
  }

  /// Programs that live although every worker has ended.
  private func leftovers(in site: Site) async throws -> [String] {
    guard trainer != nil else { return [] }
    await site.endWorkers()
    // A supervisor needs a moment to notice that its worker is gone.
    for _ in 0..<500 where !site.programs.isEmpty { try await Task.sleep(for: .milliseconds(20)) }
    return site.programs.map { "LEFT BEHIND: process \($0)" }
  }

  /// Compares both queues' results with the undisturbed ones.
  private func judge(
    _ expected: Results, _ found: Results, _ beside: Results, _ faults: [String], _ isOver: Bool
  ) throws {
    let wrong = expected.differences(from: found)
    let wrongBeside = expected.differences(from: beside)
    for line in faults { print(line) }
    for run in wrongBeside.prefix(5) { print("DIFFERENT, of the other queue: \(run)") }
    for run in wrong.prefix(5) { print("DIFFERENT: \(run)") }
    print(
      "\(expected.runs - wrong.count) of \(expected.runs) runs have exactly the digest, the "
        + "measurements and the update count of the undisturbed ones, and "
        + "\(expected.runs - wrongBeside.count) of the other queue's.")
    guard isOver, wrong.isEmpty, wrongBeside.isEmpty, faults.isEmpty else { throw ExitCode(1) }
  }

  private func recover(_ file: String, in folder: String) async throws {
    let site = try Site(
      folder: folder + "/recovery", program: program, hasSmallDisk: false, runs: runs)
    try await site.whileOpen(submitting: file) {
      let tormentor = try await Tormentor(site, nil, seed: seed, workers: workers)
      try await tormentor.killTrainers(faults, deadline: .now + .seconds(minutes * 60))
      print("\(tormentor.kills.count) SIGKILLs, \(workers) workers at \((runs + 2) / 3) stages.")
      print(try await tormentor.recoveries())
    }
  }

  /// The grid of a trainer, with the runs and epochs that were asked for.
  private func externalGrid(in folder: String) throws -> JSON {
    let place = URL(filePath: folder)
    let text = try String(contentsOf: place.appending(path: "grid.json"), encoding: .utf8)
    let changes: [(path: [String], value: JSON)] = [
      (["name"], "chaos"), (["trainer", "code"], .string(place.path)),
      (["epochs"], .integer(epochs)),
      (["schedule", "drops", "epochs"], ["1/3", "2/3"]),
      (["grid"], ["schedule.name": ["decay", "hybrid", "increase"]]),
      (["seeds"], .array((1...max(1, (runs + 2) / 3)).map { .integer($0) })),
    ]
    return changes.reduce(try JSON(parsing: text)) { $0.setting($1.path[...], to: $1.value) }
  }

  /// Small runs of several stages, with beginnings in common.
  private var grid: JSON {
    [
      "name": "chaos",
      "dataset": [
        "name": "synthetic", "train": 4800, "test": 480, "height": 16, "width": 16, "classes": 8,
        "noise": 3,
      ],
      "network": "cnn", "epochs": .integer(epochs),
      "optimizer": ["name": "momentum", "learning_rate": .number("0.02")],
      "batch": ["size": 32, "ghost": 32, "maximum": 320],
      "schedule": ["name": "decay", "drops": ["epochs": ["1/3", "2/3"], "factor": 5]],
      "grid": ["schedule.name": ["decay", "hybrid", "increase"]],
      "seeds": .array((1...max(1, (runs + 2) / 3)).map { .integer($0) }),
    ]
  }
}

/// A database with its checkpoints, and workers at them.
///
/// Sendable: one task at a time uses it.
final class Site: @unchecked Sendable {
  let folder: String
  let store: String
  let cluster: LocalCluster
  let database: Database
  private let program: String
  private let hasSmallDisk: Bool
  /// Stages are trained by programs of their own.
  let trains: Bool
  private let megabytes: Int
  private(set) var isDiskSmall = false
  private var processes: [WorkerProcess] = []

  /// The small disk has room for the runs' ends, and for files whose writers were killed.
  init(
    folder: String, program: String, hasSmallDisk: Bool, runs: Int, trains: Bool = false
  ) throws {
    self.trains = trains
    megabytes = 48 + 2 * runs
    self.folder = folder
    self.program = program
    self.hasSmallDisk = hasSmallDisk
    store = folder + "/store"
    cluster = try LocalCluster(home: folder + "/home")
    database = Database(
      try cluster.target(), logger: Logger(label: "chaos") { _ in SwiftLogNoOpLogHandler() })
  }

  /// Opens, does, and closes whatever happens, a cancellation too: no process and no mount is left.
  func whileOpen<Value>(submitting file: String, _ body: () async throws -> Value) async throws
    -> Value
  {
    do {
      try await open(submitting: file)
      let value = try await body()
      await Task { await close() }.value
      return value
    } catch {
      await Task { await close() }.value
      throw error
    }
  }

  private func open(submitting file: String) async throws {
    for path in [folder, store, folder + "/home"] {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o711])
    }
    chmod(store, 0o700)
    if hasSmallDisk {
      isDiskSmall = mount("tmpfs", store, "tmpfs", 0, "size=\(megabytes)m,mode=0700") == 0
    }
    try await cluster.ensureRunning()
    try await Migrator(database).migrate()
    let submit = try start(["submit", file])
    guard await submit.ended(by: .now + .seconds(60)) == 0 else {
      throw ValidationError("the grid could not be submitted")
    }
  }

  private func close() async {
    await endWorkers()
    // It may have been killed; its folder goes next.
    _ = try? await cluster.stop()
    if isDiskSmall { umount(store) }
    try? FileManager.default.removeItem(atPath: folder)
  }

  func endWorkers() async {
    for process in processes where process.isRunning {
      process.signal(SIGCONT)
      process.signal(SIGKILL)
      _ = await process.ended(by: .now + .seconds(10))
    }
  }

  /// Processes of trainers: they work beneath this site's folder.
  var programs: [pid_t] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.compactMap { pid_t($0) }.filter { process in
      let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd")
      return place?.hasPrefix(folder + "/jobctl-trainers") == true
    }
  }

  /// Removes checkpoints that nothing goes on from, as a crontab would.
  func collect() async throws {
    let collector = try start(
      ["gc", "--keep", "final", "--yes", "--checkpoints", store])
    _ = await collector.ended(by: .now + .seconds(30))
  }

  func worker(through proxy: Proxy?, slots: Int = 1) throws -> WorkerProcess {
    let target = try cluster.target().string
    return try start(
      workerArguments(slots: slots),
      target: proxy.map { target.replacing(cluster.socketFolder, with: $0.folder) })
  }

  func workerArguments(slots: Int) -> [String] {
    [
      "worker", "--until-empty", "--slots", "\(slots)", "--threads", "\(slots)",
      "--checkpoints", store, "--checkpoint-every", "1", "--log-level", "error",
    ] + (trains ? ["--external"] : [])
  }

  /// `target` is the site's own database where it is nil.
  func start(_ arguments: [String], target: String? = nil, through launcher: [String] = []) throws
    -> WorkerProcess
  {
    let command = launcher + [program] + arguments
    let process = Process()
    process.executableURL = URL(filePath: command[0])
    process.arguments = Array(command.dropFirst())
    process.environment = [
      "PATH": "/usr/bin:/bin", "HOME": folder, "JOBCTL_HOME": folder + "/home",
      "JOBCTL_DATABASE_URL": try target ?? cluster.target().string, "TMPDIR": folder,
      "PYTHONPATH": FileManager.default.currentDirectoryPath + "/python",
    ]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    let worker = WorkerProcess(process)
    processes.removeAll { !$0.isRunning }
    processes.append(worker)
    return worker
  }
}

/// A child that may be killed, stopped and waited for.
final class WorkerProcess {
  private let process: Process
  var pid: pid_t { process.processIdentifier }
  /// False as soon as it was killed: the end of a process is noticed some time later.
  var isRunning: Bool { !isKilled && process.isRunning }
  private var isKilled = false
  var stoppedUntil: ContinuousClock.Instant?

  init(_ process: Process) { self.process = process }

  func signal(_ number: Int32) {
    guard isRunning else { return }
    kill(pid, number)
    isKilled = number == SIGKILL
  }

  /// Its exit code; nil where it still runs then, or was killed.
  func ended(by deadline: ContinuousClock.Instant) async -> Int32? {
    while process.isRunning {
      guard ContinuousClock.now < deadline else { return nil }
      try? await Task.sleep(for: .milliseconds(20))
    }
    return process.terminationReason == .exit ? process.terminationStatus : nil
  }
}
