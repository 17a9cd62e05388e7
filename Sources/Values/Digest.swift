import CCrypto

/// SHA-256, as lower-case hexadecimal, by OpenSSL's libcrypto.
package enum Digest {
  package static func sha256(of text: String) -> String {
    var text = text
    return text.withUTF8 { sha256(of: UnsafeRawBufferPointer($0)) }
  }

  package static func sha256(of bytes: [UInt8]) -> String {
    bytes.withUnsafeBytes { sha256(of: $0) }
  }

  private static func sha256(of bytes: UnsafeRawBufferPointer) -> String {
    let stream = Stream()
    stream.add(bytes)
    return stream.finished()
  }

  /// SHA-256 of bytes that come piece by piece; `finished` is asked once, at the end.
  package final class Stream {
    private let context: OpaquePointer

    package init() {
      guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
      else { preconditionFailure("libcrypto has no SHA-256, or no memory for it") }
      self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    package func add(_ bytes: UnsafeRawBufferPointer) {
      let isTaken = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1
      precondition(isTaken, "libcrypto refused \(bytes.count) bytes of a digest")
    }

    package func finished() -> String {
      var bytes = [UInt8](repeating: 0, count: Digest.length)
      let isTaken = EVP_DigestFinal_ex(context, &bytes, nil) == 1
      precondition(isTaken, "libcrypto could not finish a digest")
      return Digest.hexadecimal(bytes)
    }
  }

  /// Bytes of a SHA-256.
  private static let length = 32

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
