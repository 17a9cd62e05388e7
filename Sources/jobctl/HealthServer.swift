import HTTP
import Worker

/// Health, readiness and metrics of a worker over HTTP, on loopback alone, for as long as it is kept.
final class HealthServer {
  private let server: HTTPServer

  init(port: UInt16, monitor: WorkerMonitor) throws(HTTPServer.CannotListen) {
    server = try HTTPServer(port: port) { request in
      switch request.path {
      case "/health": .init("alive\n")
      case "/ready":
        monitor.isReady
          ? .init("ready\n")
          : .init(status: 503, "the queue does not answer, or the worker is ending\n")
      case "/metrics": .init(type: "text/plain; version=0.0.4; charset=utf-8", monitor.metrics)
      default: nil
      }
    }
  }
}
