import Foundation

/// Runs what blocks (reading files, decompressing, asking a network file system) on a thread of its
/// own, so that no heartbeat waits for it.
package func blocking<Value: Sendable, Failure: Error>(
  _ name: String, _ body: @escaping @Sendable () throws(Failure) -> Value
) async throws(Failure) -> Value {
  let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
    let thread = Thread {
      continuation.resume(returning: Result { () throws(Failure) in try body() })
    }
    thread.name = name
    // Readers of archives and tables recurse little; Foundation's default is half a megabyte.
    thread.stackSize = 8 << 20
    thread.start()
  }
  return try result.get()
}
