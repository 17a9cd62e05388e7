import Crypto
import Foundation

/// SHA-256, as lower-case hexadecimal.
package enum Digest {
  package static func sha256(of text: String) -> String { sha256(of: Data(text.utf8)) }

  package static func sha256(of data: some DataProtocol) -> String {
    hexadecimal(SHA256.hash(data: data))
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
