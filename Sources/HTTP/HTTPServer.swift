import CMicroHTTPD
import Foundation

/// A small HTTP server on one address, for answers that are made at once: GNU libmicrohttpd on a thread
/// of its own, with bounds on everything that a client can send or hold. No request reaches the
/// cooperative pool, so no client can delay a heartbeat.
///
/// Sendable: `init` and `deinit` alone touch the daemon.
package final class HTTPServer: @unchecked Sendable {
  package struct Request: Sendable {
    /// Without the query, and with percent signs decoded.
    package let path: String
  }

  package struct Response: Sendable {
    package var status: Int
    package var type: String
    package var body: String

    package init(status: Int = 200, type: String = "text/plain; charset=utf-8", _ body: String) {
      self.status = status
      self.type = type
      self.body = body
    }
  }

  /// Bounds on a client.
  package struct Limits: Sendable {
    /// Bytes of the request's line and header together; one that has more is answered with 431.
    package var header = 16 << 10
    /// Connections at once; further ones are closed unanswered.
    package var connections = 64
    /// Seconds after which a silent connection is closed.
    package var silence = 10

    package init() {}
  }

  package struct CannotListen: Error, CustomStringConvertible {
    package let port: UInt16
    package let reason: String
    package var description: String {
      "cannot answer on 127.0.0.1:\(port): \(reason); choose another port"
    }
  }

  /// nil is answered with 404.
  package typealias Handler = @Sendable (Request) -> Response?

  private let answer: Handler
  private var daemon: OpaquePointer?

  /// Listens on this port of 127.0.0.1 until the server is released.
  package init(
    port: UInt16, limits: Limits = Limits(), answer: @escaping Handler
  ) throws(CannotListen) {
    self.answer = answer
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    let owner = Unmanaged.passUnretained(self).toOpaque()
    errno = 0
    daemon = withUnsafePointer(to: &address) { address in
      // Each option is a word for its name and one for its value, as C's varargs promote them.
      let options: [any CVarArg] = [
        Int32(bitPattern: MHD_OPTION.SOCK_ADDR.rawValue), OpaquePointer(address),
        Int32(bitPattern: MHD_OPTION.CONNECTION_MEMORY_LIMIT.rawValue), limits.header,
        Int32(bitPattern: MHD_OPTION.CONNECTION_LIMIT.rawValue), UInt32(limits.connections),
        Int32(bitPattern: MHD_OPTION.CONNECTION_TIMEOUT.rawValue), UInt32(limits.silence),
        Int32(bitPattern: MHD_OPTION.END.rawValue),
      ]
      return withVaList(options) {
        MHD_start_daemon_va(
          MHD_USE_AUTO_INTERNAL_THREAD.rawValue, port, nil, nil, HTTPServer.receive, owner, $0)
      }
    }
    guard daemon != nil else {
      throw CannotListen(port: port, reason: String(cString: strerror(errno)))
    }
  }

  deinit {
    // Waits for the thread, which then touches `self` no more.
    if let daemon { MHD_stop_daemon(daemon) }
  }

  /// Called by the library's thread: once when a request's header is there, then for what follows it.
  private static let receive: MHD_AccessHandlerCallback = {
    owner, connection, path, method, _, _, size, seen in
    guard let owner, let connection, let path, let method, let size, let seen else { return .NO }
    let server = Unmanaged<HTTPServer>.fromOpaque(owner).takeUnretainedValue()
    // An answer before the request's end would break what the client still sends.
    if seen.pointee == nil {
      seen.pointee = owner
      return .YES
    }
    if size.pointee > 0 {
      // No answer here depends on a body.
      size.pointee = 0
      return .YES
    }
    return reply(
      server.response(to: String(cString: path), String(cString: method)), on: connection)
  }

  private func response(to path: String, _ method: String) -> Response {
    guard method == "GET" || method == "HEAD" else {
      return Response(status: 405, "only GET is answered here\n")
    }
    return answer(Request(path: path)) ?? Response(status: 404, "there is nothing at \(path)\n")
  }

  private static func reply(_ response: Response, on connection: OpaquePointer) -> MHD_Result {
    var body = Array(response.body.utf8)
    guard
      let made = MHD_create_response_from_buffer(body.count, &body, .RESPMEM_MUST_COPY)
    else { return .NO }
    defer { MHD_destroy_response(made) }
    MHD_add_response_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, response.type)
    if response.status == 405 { MHD_add_response_header(made, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") }
    return MHD_queue_response(connection, UInt32(response.status), made)
  }
}
