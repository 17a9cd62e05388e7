import CZip
import Values

/// The members of a zip file, as `np.savez` writes one. libzip checks lengths and checksums.
final class ZipArchive {
  private let archive: OpaquePointer
  private let file: String

  init(_ file: String) throws(DatasetError) {
    var code: Int32 = 0
    guard let archive = zip_open(file, Int32(ZIP_RDONLY), &code) else {
      var error = zip_error_t()
      zip_error_init_with_code(&error, code)
      let reason = String(cString: zip_error_strerror(&error))
      zip_error_fini(&error)
      throw .damaged(file: file, reason: "is no zip file that can be read: \(reason)")
    }
    (self.archive, self.file) = (archive, file)
  }

  deinit { zip_discard(archive) }

  var names: [String] {
    (0..<zip_get_num_entries(archive, 0)).compactMap {
      zip_get_name(archive, zip_uint64_t($0), 0).map { String(cString: $0) }
    }
  }

  /// A member's bytes, at most `limit` of them.
  func contents(_ name: String, limit: Int) throws(DatasetError) -> [UInt8] {
    func damaged(_ reason: String) -> DatasetError {
      .damaged(file: "\(file):\(shortened(name, to: 100))", reason: reason)
    }
    var facts = zip_stat_t()
    guard zip_stat(archive, name, 0, &facts) == 0, facts.valid & UInt64(ZIP_STAT_SIZE) != 0,
      let member = zip_fopen(archive, name, 0)
    else { throw damaged("cannot be read: \(String(cString: zip_strerror(archive)))") }
    defer { zip_fclose(member) }
    guard facts.size <= limit else {
      throw damaged("is larger than the \(limit) bytes that it may have")
    }
    let count = Int(facts.size)
    // What a file says of its size is a claim until it is read.
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while bytes.count <= count {
      let read = zip_fread(member, &chunk, zip_uint64_t(chunk.count))
      guard read >= 0 else {
        throw damaged("is broken: \(String(cString: zip_file_strerror(member)))")
      }
      if read == 0 { break }
      bytes.append(contentsOf: chunk[..<Int(read)])
    }
    guard bytes.count == count else { throw damaged("ends at another place than it says") }
    return bytes
  }
}
