import Foundation

/// The name by which the queue knows this machine.
package let hostName = ProcessInfo.processInfo.hostName

/// Bytes of memory that this process may use: the machine's, or less where a control group limits it, as
/// containers do. `root` is the root of the file system.
package func memoryOfMachine(root: String = "") -> Int {
  func text(_ path: String) -> String? {
    // A group that has no such file sets no limit.
    try? String(contentsOfFile: root + path, encoding: .utf8)
  }
  let own = (text("/proc/self/cgroup") ?? "").split(separator: "\n")
    .compactMap { $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).last }
  var files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
  for group in own {
    // A group's limit holds for the groups beneath it.
    let parts = group.split(separator: "/")
    for count in parts.indices {
      let place = parts[...count].joined(separator: "/")
      files += [
        "/sys/fs/cgroup/\(place)/memory.max",
        "/sys/fs/cgroup/memory/\(place)/memory.limit_in_bytes",
      ]
    }
  }
  let limits = files.compactMap { file in
    text(file).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }
  let physical = Int(clamping: ProcessInfo.processInfo.physicalMemory)
  return limits.reduce(physical) { $1 > 0 ? min($0, $1) : $0 }
}
