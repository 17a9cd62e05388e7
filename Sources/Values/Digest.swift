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

  /// The `length` bytes of a SHA-256.
  package static func bytes(of bytes: [UInt8]) -> [UInt8] {
    let stream = Stream()
    bytes.withUnsafeBytes { stream.add($0) }
    return stream.finishedBytes()
  }

  /// The bytes that 64 digits stand for; nil where they are no such digits.
  package static func bytes(hexadecimal digits: some Collection<UInt8>) -> [UInt8]? {
    guard digits.count == 2 * length else { return nil }
    var bytes: [UInt8] = []
    var high: UInt8?
    for digit in digits {
      let value: UInt8
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
      default: return nil
      }
      if let first = high {
        bytes.append(first << 4 | value)
        high = nil
      } else {
        high = value
      }
    }
    return bytes
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

    package func finished() -> String { Digest.hexadecimal(finishedBytes()) }

    fileprivate func finishedBytes() -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: Digest.length)
      let isTaken = EVP_DigestFinal_ex(context, &bytes, nil) == 1
      precondition(isTaken, "libcrypto could not finish a digest")
      return bytes
    }
  }

  /// Bytes of a SHA-256.
  package static let length = 32

  package static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
