import Foundation
import TestSupport
import Testing
import Trainers

/// A program under its supervisor, without a worker.
@Suite struct TrainerProcessTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func start(_ command: [String]) throws -> TrainerProcess {
    try TrainerProcess(
      Supervisor(
        command: command, folder: folder.path, log: folder.path + "/log", user: nil, threads: 1),
      program: builtProgram, environment: ["PATH": "/usr/bin:/bin"],
      socket: folder.path + "/\(UInt32.random(in: 0...UInt32.max))")
  }

  /// Without holding a thread, which the start of the program may need.
  private func exit(of process: TrainerProcess) async throws -> TrainerExit {
    var exit: TrainerExit?
    try await until("the program has ended") {
      for case .ended(let found) in process.wait(milliseconds: 0) { exit = found }
      return exit != nil
    }
    return try #require(exit)
  }

  @Test(arguments: [
    (["sh", "-c", "exit 7"], TrainerExit.code(7)), (["sh", "-c", "kill -TERM $$"], .signal(15)),
  ])
  func itSaysHowAProgramEnded(command: [String], expected: TrainerExit) async throws {
    #expect(try await exit(of: try start(command)) == expected)
  }

  @Test func aProgramThatIsNotThereIsNamed() async throws {
    #expect(
      try await exit(of: try start(["no-such-program"]))
        == .cannotStart("no-such-program cannot be started: No such file or directory"))
  }

  /// An order that comes too late must not end the worker with SIGPIPE.
  @Test func anOrderToAProgramThatHasEndedHarmsNobody() async throws {
    let process = try start(["true"])
    #expect(try await exit(of: process) == .code(0))
    process.terminate()
    process.kill()
    process.end()
  }

  @Test func terminateReachesTheGroupAndKillReachesAll() async throws {
    let polite = try start(["sh", "-c", "trap 'exit 3' TERM; sleep 7777 & wait"])
    // The shell may not have set its trap yet; then the signal itself ends it.
    polite.terminate()
    let first = try await exit(of: polite)
    #expect([.code(3), .signal(15)].contains(first), "\(first)")
    let deaf = try start(["sh", "-c", "trap '' TERM; sleep 7777"])
    deaf.terminate()
    deaf.kill()
    let end = try await exit(of: deaf)
    #expect([.signal(9), .signal(15)].contains(end), "\(end)")
  }
}
