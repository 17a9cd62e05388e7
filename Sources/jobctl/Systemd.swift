import Foundation
import Worker

/// Tells systemd how a worker is (sd_notify(3)), where it was started by it: ready once it is
/// registered, alive with each heartbeat that PostgreSQL has confirmed, stopping when it drains.
enum Systemd {
  static func note(_ news: WorkerNews) {
    switch news {
    case .registered(let worker): tell("READY=1\nSTATUS=worker \(worker)\nWATCHDOG=1")
    case .heartbeatConfirmed: tell("WATCHDOG=1")
    case .draining: tell("STOPPING=1\nSTATUS=draining")
    case .started, .progressed, .measured, .ended: break
    }
  }

  private static func tell(_ message: String) {
    guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"], !path.isEmpty else {
      return
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var name = Array(path.utf8)
    guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    // A name that begins with @ is not in the file system.
    if name[0] == UInt8(ascii: "@") { name[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let bytes = Array(message.utf8)
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
  }
}
