import FlyingFox
import FlyingSocks
import Foundation
import ServiceLifecycle
import Worker

/// Health, readiness and metrics of a worker over HTTP, on loopback alone.
struct HealthServer: Service {
  let port: UInt16
  let monitor: WorkerMonitor

  func run() async throws {
    let server = HTTPServer(address: try .inet(ip4: "127.0.0.1", port: port), logger: .disabled)
    let monitor = monitor
    await server.appendRoute("GET /health") { _ in answer(.ok, "alive\n") }
    await server.appendRoute("GET /ready") { _ in
      monitor.isReady
        ? answer(.ok, "ready\n")
        : answer(.serviceUnavailable, "the queue does not answer, or the worker is ending\n")
    }
    await server.appendRoute("GET /metrics") { _ in
      HTTPResponse(
        statusCode: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
        body: Data(monitor.metrics.utf8))
    }
    do {
      try await cancelWhenGracefulShutdown { try await server.run() }
    } catch {
      // A port that is taken ends the worker with an error, rather than leave it unwatched.
      guard Task.isShuttingDownGracefully || Task.isCancelled else { throw error }
    }
  }
}

private func answer(_ status: HTTPStatusCode, _ text: String) -> HTTPResponse {
  HTTPResponse(
    statusCode: status, headers: [.contentType: "text/plain; charset=utf-8"], body: Data(text.utf8))
}
