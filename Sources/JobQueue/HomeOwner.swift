import Foundation
import Host
import Values

/// The machine that an embedded database runs on, noted beside its data. On a shared home a second machine
/// would otherwise start a second server on the live data: `postmaster.pid` names a process, not a host.
struct HomeOwner: Equatable {
  let host: String
  let machine: String
  let boot: String

  /// This machine, since it was started.
  static var here: HomeOwner {
    func line(_ path: String) -> String {
      ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "")
        .trimmingCharacters(in: .whitespacesAndNewlines)
    }
    return HomeOwner(
      host: hostName, machine: line("/etc/machine-id"),
      boot: line("/proc/sys/kernel/random/boot_id"))
  }

  init(host: String, machine: String, boot: String) {
    (self.host, self.machine, self.boot) = (host, machine, boot)
  }

  /// nil where the file is not there or is no note of an owner.
  init?(file: String) {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8),
      let note = try? JSON(parsing: text), let host = note["host"]?.stringValue,
      let machine = note["machine"]?.stringValue, let boot = note["boot"]?.stringValue
    else { return nil }
    self.init(host: host, machine: machine, boot: boot)
  }

  func write(to file: String) throws {
    let note: JSON = [
      "host": .string(host), "machine": .string(machine), "boot": .string(boot),
    ]
    try (note.pretty() + "\n").write(toFile: file, atomically: true, encoding: .utf8)
  }

  /// True when the owner's server may still run on another machine. The server of this machine's last boot
  /// is dead. A server under the same kernel, in another container say, holds its lock: the lock decides.
  var isElsewhere: Bool {
    let here = HomeOwner.here
    return boot != here.boot && (host != here.host || machine != here.machine)
  }
}
