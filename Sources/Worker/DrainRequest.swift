/// A request to end. Once made it stays made.
final class DrainRequest: Sendable {
  private let stream: AsyncStream<Never>
  private let continuation: AsyncStream<Never>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func make() { continuation.finish() }

  /// Returns when the request is made or the task is cancelled. One task at a time may wait.
  func wait() async { for await _ in stream {} }
}
