import ArgumentParser
import Foundation
import Values

/// Mutates grid files, data files and checkpoints, and reads the results: whatever the input, the
/// program answers with a plan or an error. Cases run in a process of their own, so that a trap or a
/// hang is seen from outside; what fails is written to a file.
@main struct Fuzz: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz", abstract: "Mutates every kind of input and reads it.",
    discussion: """
      Case N of a seed is always the same. Exits with 1 when a case trapped, hung, printed more than \
      4 KB, or was accepted without being sound. Its input is written to the folder of findings; \
      `fuzz --replay FILE` reads it again.
      """)

  @Option(help: "Which cases are drawn.") var seed = 1
  @Option(help: "Cases to try; without it, until the seconds are over.") var cases: Int?
  @Option(help: "Seconds to go on for, where no number of cases is given.") var seconds = 60.0
  @Option(help: "The folder of grid files to mutate.") var examples = "examples"
  @Option(help: "Where failing inputs are written.") var findings = "fuzz-findings"
  @Option(help: "Reads one input, named after its kind, and says what became of it.")
  var replay: String?
  @Option(help: .hidden) var child: String?
  @Option(help: .hidden) var from = 0

  func validate() throws {
    guard seconds > 0, seconds < 1e8, from >= 0, cases.map({ $0 > 0 }) ?? true else {
      throw ValidationError("--seconds and --cases are above 0")
    }
  }

  func run() throws {
    let corpus = try Corpus(examples: examples)
    if let replay {
      let bytes = [UInt8](try Data(contentsOf: URL(filePath: replay)))
      guard let kind = Input.Kind.allCases.first(where: { replay.hasSuffix(".\($0.rawValue)") })
      else {
        let endings = Input.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("the file's ending says its kind: \(endings)")
      }
      let verdict = try Reader().read(Input(kind: kind, bytes: bytes))
      print("\(replay): \(verdict.words)")
      if case .unsound = verdict { throw ExitCode.failure }
      return
    }
    if let child {
      try runCases(corpus, progress: child)
    } else {
      try supervise(corpus)
    }
  }

  // MARK: - The process that reads

  /// Says in a file which case is read, so that its end is known to be its doing.
  private func runCases(_ corpus: Corpus, progress path: String) throws {
    let progress = open(path, O_WRONLY | O_CREAT, 0o600)
    guard progress >= 0 else { throw ValidationError("cannot write \(path)") }
    let reader = try Reader()
    let end = ContinuousClock.now + .milliseconds(Int(nearest: seconds * 1000))
    var (number, accepted) = (from, 0)
    func say(isOver: Bool) {
      let words = [Int64(number), Int64(accepted), isOver ? 1 : 0]
      _ = words.withUnsafeBytes { pwrite(progress, $0.baseAddress, $0.count, 0) }
    }
    while cases.map({ number < $0 }) ?? (ContinuousClock.now < end) {
      say(isOver: false)
      let input = corpus.input(seed: seed, number: number)
      switch reader.read(input) {
      case .accepted: accepted += 1
      case .refused: break
      case .unsound(let reason):
        print("\(number) \(reason.replacing("\n", with: " "))")
        fflush(nil)
      }
      number += 1
    }
    say(isOver: true)
  }

  // MARK: - The process that watches

  /// No input takes more seconds of a processor than this to be read or refused.
  private static let patience = 5.0

  /// Nor so long by the clock, which goes on while a busy machine does other work.
  private static let longestWait = Duration.seconds(120)

  private func supervise(_ corpus: Corpus) throws {
    let progress = NSTemporaryDirectory() + "fuzz-\(getpid())"
    defer { unlink(progress) }
    let end = ContinuousClock.now + .milliseconds(Int(nearest: seconds * 1000))
    var (next, failures, accepted) = (from, 0, 0)
    while cases.map({ next < $0 }) ?? (ContinuousClock.now < end) {
      let rest = cases == nil ? max(0.001, (end - .now) / .seconds(1)) : seconds
      let reached = try watch(progress, from: next, seconds: rest) { number, reason in
        failures += 1
        try report(number, reason, corpus)
      }
      accepted += reached.accepted
      next = reached.isOver ? reached.number : reached.number + 1
      if reached.isOver { break }
    }
    print(
      "\(next - from) inputs of seed \(seed) were read: \(accepted) accepted, \(failures) findings."
    )
    if failures > 0 { throw ExitCode.failure }
  }

  private func report(_ number: Int, _ reason: String, _ corpus: Corpus) throws {
    let input = corpus.input(seed: seed, number: number)
    try FileManager.default.createDirectory(atPath: findings, withIntermediateDirectories: true)
    let file = "\(findings)/seed-\(seed)-case-\(number).\(input.kind.rawValue)"
    try Data(input.bytes).write(to: URL(filePath: file))
    print("case \(number): \(shortened(reason, to: 300)); \(file)")
  }

  /// How far the process that reads has come.
  private struct Reached: Equatable {
    var number: Int
    var accepted = 0
    var isOver = false
  }

  /// Reads cases in a process of their own until all are read or one ends it.
  private func watch(
    _ progress: String, from: Int, seconds: Double, found: (Int, String) throws -> Void
  ) throws -> Reached {
    unlink(progress)
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments =
      [
        "--child", progress, "--seed", String(seed), "--from", String(from), "--examples", examples,
        "--seconds", String(seconds),
      ] + (cases.map { ["--cases", String($0)] } ?? [])
    process.environment = ProcessInfo.processInfo.environment.merging([
      "SWIFT_BACKTRACE": "enable=no"
    ]) { $1 }
    let lines = progress + ".lines"
    defer { unlink(lines) }
    try Data().write(to: URL(filePath: lines))
    process.standardOutput = FileHandle(forWritingAtPath: lines)
    process.standardError = FileHandle.nullDevice
    try process.run()
    var (last, since) = (Reached(number: -1), (at: ContinuousClock.now, processor: 0.0))
    var hung = false
    while process.isRunning {
      let current = read(progress) ?? Reached(number: from)
      let processor = processorSeconds(process.processIdentifier)
      if current != last { (last, since) = (current, (.now, processor)) }
      if processor - since.processor > Fuzz.patience
        || ContinuousClock.now - since.at > Fuzz.longestWait
      {
        hung = true
        kill(process.processIdentifier, SIGKILL)
      }
      usleep(20_000)
    }
    process.waitUntilExit()
    for line in try String(contentsOfFile: lines, encoding: .utf8).split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1)
      if let number = parts.first.flatMap({ Int($0) }) {
        try found(number, String(parts.last ?? ""))
      }
    }
    let reached = read(progress) ?? Reached(number: from)
    guard !reached.isOver else { return reached }
    let reason =
      hung
      ? "no answer within \(Fuzz.patience) seconds"
      : "the process ended with "
        + (process.terminationReason == .uncaughtSignal ? "signal" : "status")
        + " \(process.terminationStatus)"
    try found(reached.number, reason)
    return reached
  }

  /// Seconds that a process has had of processors.
  private func processorSeconds(_ process: Int32) -> Double {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      // The name of the program, in brackets, may hold spaces.
      let end = text.lastIndex(of: ")")
    else { return 0 }
    let fields = text[end...].split(separator: " ").dropFirst()
    let ticks = fields.dropFirst(11).prefix(2).compactMap { Double($0) }
    return ticks.reduce(0, +) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  private func read(_ progress: String) -> Reached? {
    guard let data = FileManager.default.contents(atPath: progress), data.count == 24 else {
      return nil
    }
    let words = data.withUnsafeBytes { bytes in
      (0..<3).map { Int(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
    }
    return Reached(number: words[0], accepted: words[1], isOver: words[2] == 1)
  }
}
