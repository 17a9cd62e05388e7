import CSupervisor
import Foundation

/// The process between a worker and a program (Sources/CSupervisor): what it is told, and its own part.
package struct Supervisor: Sendable {
  package var command: [String]
  package var folder: String
  /// Takes the program's output.
  package var log: String
  /// User and group that the program runs as; nil: the worker's.
  package var user: Account?
  package var threads: Int

  package struct Account: Sendable, Equatable {
    package let user: Int
    package let group: Int

    package init(user: Int, group: Int) { (self.user, self.group) = (user, group) }

    /// The account of a name; nil where there is none.
    package init?(named name: String) {
      guard let entry = getpwnam(name)?.pointee else { return nil }
      (user, group) = (Int(entry.pw_uid), Int(entry.pw_gid))
    }
  }

  package init(command: [String], folder: String, log: String, user: Account?, threads: Int) {
    (self.command, self.folder, self.log) = (command, folder, log)
    (self.user, self.threads) = (user, threads)
  }

  /// The name of the command that is this process's own part.
  package static let word = "supervise"

  /// Two files of this size hold a program's output.
  private static let logBytes: Int64 = 8 << 20

  /// For the program that has the command `word`.
  package var arguments: [String] {
    [
      Supervisor.word, folder, log, String(user?.user ?? -1), String(user?.group ?? -1),
      String(threads), "--",
    ] + command
  }

  /// Reads `arguments` behind `word`; nil of others.
  package init?(_ words: [String]) {
    guard words.count >= 7, words[5] == "--", let user = Int(words[2]), let group = Int(words[3]),
      let threads = Int(words[4])
    else { return nil }
    self.init(
      command: Array(words[6...]), folder: words[0], log: words[1],
      user: user >= 0 ? Account(user: user, group: group) : nil, threads: threads)
  }

  /// Runs the program to its end; gives the exit status for this process.
  package func run() -> Int32 {
    var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    return folder.withCString { folder in
      log.withCString { log in
        words.withUnsafeBufferPointer { words in
          var how = supervision(
            arguments: words.baseAddress, folder: folder, log: log, log_bytes: Supervisor.logBytes,
            user: Int64(user?.user ?? -1), group: Int64(user?.group ?? -1),
            threads: Int32(threads))
          return jobctl_supervise(&how)
        }
      }
    }
  }
}

extension TrainerExit {
  /// What a supervisor has written last: "exit 0", "signal 9", "cannot exec 2".
  init(supervisor text: String, command: String) {
    let line = text.split(separator: "\n").last.map(String.init) ?? ""
    let words = line.split(separator: " ")
    if words.count == 2, words[0] == "exit", let code = Int(words[1]) {
      self = .code(code)
    } else if words.count == 2, words[0] == "signal", let number = Int(words[1]) {
      self = .signal(number)
    } else if words.count == 3, words[0] == "cannot", let number = Int32(words[2]) {
      let reason = String(cString: strerror(number))
      self = .cannotStart(
        words[1] == "exec"
          ? "\(command) cannot be started: \(reason)"
          : "the trainer cannot be started: \(words[1]): \(reason)")
    } else {
      self = .cannotStart("the trainer's supervisor ended without a word")
    }
  }
}
