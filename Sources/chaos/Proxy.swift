import Foundation
import Synchronization

/// Stands between workers and the database on a Unix socket, and can stall or reset what passes.
final class Proxy: Sendable {
  /// Where workers connect to: a folder, as libpq takes it.
  let folder: String
  private let server: String
  private let state = Mutex(State())

  private struct State {
    var stalledUntil = ContinuousClock.now
    var open: Set<Int32> = []
    var isClosed = false
  }

  private static let socketName = ".s.PGSQL.5432"

  /// `server` is the folder of the database's own socket.
  init(folder: String, server: String) throws {
    self.folder = folder
    self.server = server
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard listener >= 0, Proxy.with(folder, { bind(listener, $0, $1) }) == 0,
      listen(listener, 128) == 0
    else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    Thread.detachNewThread { [self] in accept(on: listener) }
  }

  /// Nothing passes for so long.
  func stall(for duration: Duration) {
    state.withLock { $0.stalledUntil = max($0.stalledUntil, .now + duration) }
  }

  /// Every connection ends in the middle of whatever it says.
  func reset() {
    // Inside of the lock: a descriptor that is closed may be somebody else's the next moment.
    state.withLock { for descriptor in $0.open { shutdown(descriptor, Int32(SHUT_RDWR)) } }
  }

  private static func with(
    _ folder: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array("\(folder)/\(socketName)".utf8)
    precondition(path.count < MemoryLayout.size(ofValue: address.sun_path), "a socket's long path")
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  private func accept(on listener: Int32) {
    while true {
      let client = Glibc.accept(listener, nil, nil)
      guard client >= 0 else { continue }
      let upstream = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      guard Proxy.with(server, { connect(upstream, $0, $1) }) == 0 else {
        close(client)
        close(upstream)
        continue
      }
      state.withLock { $0.open.formUnion([client, upstream]) }
      let ends = Atomic(2)
      for (from, to) in [(client, upstream), (upstream, client)] {
        Thread.detachNewThread { [self] in
          pump(from, to)
          shutdown(from, Int32(SHUT_RDWR))
          shutdown(to, Int32(SHUT_RDWR))
          if ends.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
            state.withLock {
              $0.open.subtract([client, upstream])
              close(client)
              close(upstream)
            }
          }
        }
      }
    }
  }

  private func pump(_ from: Int32, _ to: Int32) {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(from, &buffer, buffer.count)
      guard count > 0 else { return }
      while state.withLock({ $0.stalledUntil > .now }) { usleep(20_000) }
      var sent = 0
      while sent < count {
        let written = buffer.withUnsafeBytes {
          send(to, $0.baseAddress! + sent, count - sent, Int32(MSG_NOSIGNAL))
        }
        guard written > 0 else { return }
        sent += written
      }
    }
  }
}
