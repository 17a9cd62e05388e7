import Testing
import Values

/// Published values: FIPS 180-2, appendix B, and the empty text.
@Suite struct DigestTests {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func textsHaveTheirPublishedDigests(_ text: String, _ digest: String) {
    #expect(Digest.sha256(of: text) == digest)
    #expect(Digest.sha256(of: Array(text.utf8)) == digest)
  }

  @Test func piecesMakeTheDigestOfTheWhole() {
    let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    let stream = Digest.Stream()
    for start in stride(from: 0, to: million.count, by: 7_919) {
      million[start..<min(start + 7_919, million.count)].withUnsafeBytes { stream.add($0) }
    }
    let whole = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    #expect(stream.finished() == whole)
    #expect(Digest.sha256(of: million) == whole)
  }
}
