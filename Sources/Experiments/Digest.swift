import Crypto
import Foundation

/// SHA-256, as lower-case hexadecimal.
package enum Digest {
  package static func sha256(of text: String) -> String { sha256(of: Data(text.utf8)) }

  package static func sha256(of data: some DataProtocol) -> String {
    hexadecimal(SHA256.hash(data: data))
  }

  /// Of what comes piece by piece.
  package struct Stream: Sendable {
    private var hash = SHA256()

    package init() {}

    package mutating func add(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    package func finished() -> String { Digest.hexadecimal(hash.finalize()) }
  }

  package static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var out: [UInt8] = []
    for byte in bytes {
      out.append(digits[Int(byte >> 4)])
      out.append(digits[Int(byte & 15)])
    }
    return String(decoding: out, as: UTF8.self)
  }
}
