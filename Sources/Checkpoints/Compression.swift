import CZstd

/// zstd frames with a content checksum, so that `zstd -t` and `zstd -d` work on our files.
enum Compression {
  /// Weights hardly compress; the lowest level is a fraction of the time of the default one for
  /// nearly its ratio.
  private static let level: Int32 = 1

  /// More than any state this machine could hold: a damaged header may ask for anything.
  private static let sizeLimit: UInt64 = 64 << 30

  static func compress(_ bytes: [UInt8]) -> [UInt8] {
    guard let context = ZSTD_createCCtx() else { preconditionFailure("zstd has no memory") }
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    let bound = ZSTD_compressBound(bytes.count)
    return [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
      count = ZSTD_compress2(context, buffer.baseAddress, bound, bytes, bytes.count)
      precondition(ZSTD_isError(count) == 0, "zstd: \(String(cString: ZSTD_getErrorName(count)))")
    }
  }

  struct Failure: Error { let reason: String }

  static func decompress(_ bytes: [UInt8]) throws(Failure) -> [UInt8] {
    let size = ZSTD_getFrameContentSize(bytes, bytes.count)
    // The two highest values mean "unknown" and "error".
    guard size < sizeLimit else { throw Failure(reason: "is no zstd file of a sane size") }
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
