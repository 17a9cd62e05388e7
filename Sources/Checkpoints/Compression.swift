import CZstd

/// zstd frames with a content checksum, so that `zstd -t` and `zstd -d` work on our files.
package enum Compression {
  /// Weights hardly compress; the lowest level is a fraction of the time of the default one for
  /// nearly its ratio.
  package static let level: Int32 = 1

  /// Compresses pieces of a known length in all as they come, in constant memory.
  final class Stream {
    private let context: OpaquePointer
    private let buffer: UnsafeMutableRawBufferPointer

    init(byteCount: Int, level: Int32) {
      guard let context = ZSTD_createCCtx() else { preconditionFailure("zstd has no memory") }
      self.context = context
      buffer = .allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 16)
      ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
      ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
      ZSTD_CCtx_setPledgedSrcSize(context, UInt64(byteCount))
    }

    deinit {
      ZSTD_freeCCtx(context)
      buffer.deallocate()
    }

    func add<Problem: Error>(
      _ piece: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(Problem) -> Void
    ) throws(Problem) {
      try run(piece, ZSTD_e_continue, body)
    }

    func finish<Problem: Error>(
      _ body: (UnsafeRawBufferPointer) throws(Problem) -> Void
    ) throws(Problem) {
      try run(UnsafeRawBufferPointer(start: nil, count: 0), ZSTD_e_end, body)
    }

    private func run<Problem: Error>(
      _ piece: UnsafeRawBufferPointer, _ directive: ZSTD_EndDirective,
      _ body: (UnsafeRawBufferPointer) throws(Problem) -> Void
    ) throws(Problem) {
      var input = ZSTD_inBuffer(src: piece.baseAddress, size: piece.count, pos: 0)
      var rest = 0
      repeat {
        var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
        rest = ZSTD_compressStream2(context, &output, &input, directive)
        precondition(ZSTD_isError(rest) == 0, "zstd: \(String(cString: ZSTD_getErrorName(rest)))")
        if output.pos > 0 { try body(UnsafeRawBufferPointer(rebasing: buffer[..<output.pos])) }
      } while input.pos < input.size || (directive == ZSTD_e_end && rest > 0)
    }
  }

  /// A whole frame.
  package static func compressed(_ bytes: [UInt8]) -> [UInt8] {
    let stream = Stream(byteCount: bytes.count, level: level)
    var packed: [UInt8] = []
    bytes.withUnsafeBytes { stream.add($0) { packed += $0 } }
    stream.finish { packed += $0 }
    return packed
  }

  struct Failure: Error { let reason: String }

  /// The header says how large the content is, and may say anything: nothing is made room for beyond
  /// `limit` bytes.
  static func decompress(_ bytes: [UInt8], limit: Int) throws(Failure) -> [UInt8] {
    let size = ZSTD_getFrameContentSize(bytes, bytes.count)
    // The two highest values mean "unknown" and "error".
    guard size < UInt64.max - 1 else { throw Failure(reason: "is no zstd file that says its size") }
    guard size <= UInt64(limit) else {
      throw Failure(reason: "decompresses to \(size) bytes, and its state has \(limit) at most")
    }
    var result = 0
    let content = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
      result = ZSTD_decompress(buffer.baseAddress, Int(size), bytes, bytes.count)
      count = ZSTD_isError(result) == 0 ? result : 0
    }
    guard ZSTD_isError(result) == 0 else {
      throw Failure(reason: "does not decompress: \(String(cString: ZSTD_getErrorName(result)))")
    }
    guard result == Int(size) else { throw Failure(reason: "ends too early") }
    return content
  }
}
