import CSupervisor
import Foundation
import Subprocess
import Synchronization
import SystemPackage

/// A program under its supervisor, and the socket on which it speaks. One thread waits on it.
package final class TrainerProcess {
  package enum Heard: Sendable {
    case connected
    case line(String)
    case ended(TrainerExit)
  }

  private let command: String
  private let listener: Int32
  private var connection: Int32 = -1
  /// The line of life: bytes are orders, and its end is the end of everything.
  private var life: Int32
  private let status: Int32
  private var statusText = ""
  private var pending: [UInt8] = []
  private var hasEnded = false
  private let failure: SpawnFailure

  /// Sendable: what changes is guarded by a mutex.
  private final class SpawnFailure: Sendable {
    let reason = Mutex<String?>(nil)
  }

  package struct CannotStart: Error, CustomStringConvertible {
    package let description: String

    init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
    init(reason: String) { description = reason }
  }

  /// A line is no longer: what has more bytes is no message.
  private static let longestLine = 1 << 16

  /// Starts a program. `program` is the executable that has the supervisor's command; `socket` is the place
  /// of the socket.
  package init(
    _ supervisor: Supervisor, program: String, environment: [String: String], socket path: String
  ) throws {
    command = supervisor.command.first ?? ""
    listener = try TrainerProcess.listen(path, user: supervisor.user)
    var (input, output): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    guard jobctl_pair(&input) == 0, jobctl_pipe(&output) == 0 else {
      throw CannotStart("pipe")
    }
    (life, status) = (input[1], output[0])
    _ = fcntl(status, F_SETFL, O_NONBLOCK)
    let failure = SpawnFailure()
    self.failure = failure
    let (read, write) = (FileDescriptor(rawValue: input[0]), FileDescriptor(rawValue: output[1]))
    var variables: [Environment.Key: String] = [:]
    for (key, value) in environment { variables[Environment.Key(stringLiteral: key)] = value }
    // The supervisor's own libraries need no threads; it sets the program's.
    variables["OPENBLAS_NUM_THREADS"] = "1"
    var platform = PlatformOptions()
    platform.createSession = true
    let (arguments, options, custom) = (supervisor.arguments, platform, variables)
    Task {
      do {
        // Its end is read from the pipe.
        _ = try await Subprocess.run(
          .path(FilePath(program)), arguments: Arguments(arguments),
          environment: .custom(custom), platformOptions: options,
          input: .fileDescriptor(read, closeAfterSpawningProcess: true),
          output: .fileDescriptor(write, closeAfterSpawningProcess: true), error: .discarded)
      } catch {
        failure.reason.withLock { $0 = "\(program) cannot be started: \(error)" }
        // What is closed already stays so.
        try? write.close()
      }
    }
  }

  deinit {
    for file in [listener, connection, life, status] where file >= 0 { close(file) }
  }

  private static func listen(_ path: String, user: Supervisor.Account?) throws -> Int32 {
    let listener = jobctl_listen(path, Int64(user?.user ?? -1), Int64(user?.group ?? -1))
    if listener < 0, errno == ENAMETOOLONG {
      throw CannotStart(reason: "the place of a trainer's socket is too long: \(path); set TMPDIR")
    }
    guard listener >= 0 else { throw CannotStart("the socket \(path)") }
    return listener
  }

  // MARK: - Listening

  /// Waits at most so long for what the program says.
  package func wait(milliseconds: Int32) -> [Heard] {
    guard !hasEnded else { return [] }
    let socket = connection >= 0 ? connection : listener
    var files = [
      pollfd(fd: status, events: Int16(POLLIN), revents: 0),
      pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
    ]
    poll(&files, 2, milliseconds)
    var heard: [Heard] = []
    if files[1].revents != 0 {
      if connection >= 0 { heard += readLines() } else { heard += accept() }
    }
    if files[0].revents != 0, let exit = readStatus() {
      // What the program had said before it ended counts.
      if connection < 0 { heard += accept() }
      if connection >= 0 { heard += readLines() }
      hasEnded = true
      heard.append(.ended(exit))
    }
    return heard
  }

  private func accept() -> [Heard] {
    connection = jobctl_accept(listener)
    return connection >= 0 ? [.connected] : []
  }

  private func readLines() -> [Heard] {
    var heard: [Heard] = []
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    while connection >= 0 {
      let count = recv(connection, &bytes, bytes.count, 0)
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { break }
      if count <= 0 {
        // The program may open it again.
        close(connection)
        connection = -1
        pending = []
        break
      }
      pending += bytes[..<count]
      while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: pending[..<end], as: UTF8.self)
        pending.removeFirst(end + 1)
        if !line.allSatisfy(\.isWhitespace) { heard.append(.line(line)) }
      }
      if pending.count > TrainerProcess.longestLine {
        heard.append(.line(String(decoding: pending.prefix(100), as: UTF8.self)))
        pending = []
      }
      // What was said is done before more is read: a program that says too much waits.
      if heard.count >= 100 { break }
    }
    return heard
  }

  /// How the program ended; nil while it lives.
  private func readStatus() -> TrainerExit? {
    var bytes = [UInt8](repeating: 0, count: 256)
    while true {
      let count = read(status, &bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { return nil }
      guard count > 0 else { break }
      statusText += String(decoding: bytes[..<count], as: UTF8.self)
    }
    if let reason = failure.reason.withLock({ $0 }) { return .cannotStart(reason) }
    return TrainerExit(supervisor: statusText, command: command)
  }

  // MARK: - Speaking

  package func send(_ order: TrainerOrder) {
    guard connection >= 0 else { return }
    let line = Array(order.line.utf8)
    // A program that does not read orders is asked by signal, then killed.
    _ = jobctl_send(connection, line, line.count)
  }

  /// SIGTERM to the program's process group.
  package func terminate() { say("T") }

  /// SIGKILL to everything.
  package func kill() { say("K") }

  private func say(_ order: Character) {
    guard life >= 0, var byte = order.asciiValue else { return }
    // The supervisor may have ended in this moment: then the order is needless.
    _ = jobctl_send(life, &byte, 1)
  }

  /// Kills everything and returns when nothing is left.
  package func end() {
    kill()
    while !hasEnded { _ = wait(milliseconds: 1000) }
  }
}
