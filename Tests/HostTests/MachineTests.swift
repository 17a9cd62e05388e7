import Foundation
import Host
import TestSupport
import Testing

/// `memoryOfMachine` takes the least of the limits that hold for a process.
@Suite struct MachineTests {
  private let root: TemporaryFolder

  init() throws { root = try TemporaryFolder() }

  private func write(_ text: String, _ path: String) throws {
    let place = URL(filePath: root.path + path)
    try FileManager.default.createDirectory(
      at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try text.write(to: place, atomically: true, encoding: .utf8)
  }

  @Test func withoutAGroupItIsTheMachines() {
    #expect(memoryOfMachine(root: root.path) == Int(ProcessInfo.processInfo.physicalMemory))
  }

  @Test func theLeastLimitOfItsGroupsHolds() throws {
    try write("0::/a/b\n", "/proc/self/cgroup")
    try write("max\n", "/sys/fs/cgroup/a/b/memory.max")
    #expect(memoryOfMachine(root: root.path) == Int(ProcessInfo.processInfo.physicalMemory))
    try write("67108864\n", "/sys/fs/cgroup/a/memory.max")
    #expect(memoryOfMachine(root: root.path) == 64 << 20)
  }

  @Test func theFirstVersionOfGroupsIsRead() throws {
    try write("4:memory:/a\n0::/\n", "/proc/self/cgroup")
    try write("33554432\n", "/sys/fs/cgroup/memory/a/memory.limit_in_bytes")
    #expect(memoryOfMachine(root: root.path) == 32 << 20)
  }
}
