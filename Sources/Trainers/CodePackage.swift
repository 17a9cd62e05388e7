import CZip
import Foundation
import Values

/// A folder of code as one zip file, and back. The same files give the same bytes: they are in the order of
/// their names, without times, uncompressed. PostgreSQL compresses what it stores.
package enum CodePackage {
  /// What a package may hold.
  package static let mostBytes = 64 << 20
  package static let mostFiles = 10_000

  package struct Unusable: Error, CustomStringConvertible {
    package let description: String
    /// True where this machine is at fault (a full disk), and not the package.
    package let isLocal: Bool

    package init(description: String, isLocal: Bool = false) {
      (self.description, self.isLocal) = (description, isLocal)
    }
  }

  /// A file of a folder.
  package struct File {
    /// Its place beneath the folder.
    let path: String
    let isExecutable: Bool
    let bytes: Data
  }

  /// Packs files of a folder, which are named by their places beneath it.
  package static func pack(_ paths: [String], in folder: String) throws(Unusable) -> [UInt8] {
    guard paths.count <= mostFiles else {
      throw Unusable(
        description:
          "\(folder) has \(paths.count) files; code has at most \(mostFiles). List what is no "
          + "code in .gitignore, and data under trainer.data")
    }
    var files: [File] = []
    var bytes = 0
    for path in Set(paths).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      let file = try read(path, in: folder)
      bytes += file.bytes.count
      guard bytes <= mostBytes else {
        throw Unusable(
          description:
            "\(folder) has more than \(mostBytes >> 20) MiB; list what is no code in .gitignore, "
            + "and data under trainer.data")
      }
      files.append(file)
    }
    guard !files.isEmpty else { throw Unusable(description: "\(folder) has no files") }
    return try archive(files)
  }

  private static func read(_ path: String, in folder: String) throws(Unusable) -> File {
    let place = folder + "/" + path
    var facts = stat()
    guard lstat(place, &facts) == 0 else {
      throw Unusable(description: "\(place) cannot be read: \(String(cString: strerror(errno)))")
    }
    guard facts.st_mode & S_IFMT == S_IFREG else {
      let kind = facts.st_mode & S_IFMT == S_IFLNK ? "a symbolic link" : "no regular file"
      throw Unusable(description: "\(place) is \(kind); code is packed as files")
    }
    guard isSound(path) else {
      throw Unusable(description: "\(place) has a name that cannot be packed")
    }
    do {
      return File(
        path: path, isExecutable: facts.st_mode & S_IXUSR != 0,
        bytes: try Data(contentsOf: URL(filePath: place)))
    } catch {
      throw Unusable(description: "\(place) cannot be read: \(error.localizedDescription)")
    }
  }

  /// A relative path that stays inside, in a form that has no other.
  private static func isSound(_ path: String) -> Bool {
    path.utf8.count < 1000 && !path.utf8.contains { $0 < 0x20 || $0 == 0x7F }
      && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
        !$0.isEmpty && $0 != "." && $0 != ".."
      }
  }

  // MARK: - Zip files

  /// 1980-01-01, the first day that a zip file knows.
  private static let noDate: UInt16 = 1 << 5 | 1
  private static let unix = UInt8(ZIP_OPSYS_UNIX)

  private static func archive(_ files: [File]) throws(Unusable) -> [UInt8] {
    guard let source = zip_source_buffer_create(nil, 0, 1, nil),
      let archive = zip_open_from_source(source, Int32(ZIP_TRUNCATE), nil)
    else { throw Unusable(description: "libzip cannot make a file in memory") }
    // The archive would free it.
    zip_source_keep(source)
    defer { zip_source_free(source) }
    for file in files {
      // libzip reads it when the archive is closed, and frees it.
      let copy = malloc(max(1, file.bytes.count))
      file.bytes.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress { copy?.copyMemory(from: start, byteCount: bytes.count) }
      }
      guard let content = zip_source_buffer(archive, copy, zip_uint64_t(file.bytes.count), 1) else {
        free(copy)
        zip_discard(archive)
        throw Unusable(description: "libzip cannot pack \(file.path)")
      }
      let index = zip_file_add(archive, file.path, content, zip_flags_t(ZIP_FL_ENC_UTF_8))
      let mode = UInt32(S_IFREG) | (file.isExecutable ? 0o555 : 0o444)
      guard index >= 0,
        zip_set_file_compression(archive, zip_uint64_t(index), ZIP_CM_STORE, 0) == 0,
        zip_file_set_dostime(archive, zip_uint64_t(index), 0, noDate, 0) == 0,
        zip_file_set_external_attributes(archive, zip_uint64_t(index), 0, unix, mode << 16) == 0
      else {
        zip_discard(archive)
        throw Unusable(description: "libzip cannot pack \(file.path)")
      }
    }
    guard zip_close(archive) == 0 else {
      let reason = String(cString: zip_strerror(archive))
      zip_discard(archive)
      throw Unusable(description: "libzip cannot write: \(reason)")
    }
    return try content(of: source)
  }

  private static func content(of source: OpaquePointer) throws(Unusable) -> [UInt8] {
    var facts = zip_stat_t()
    guard zip_source_stat(source, &facts) == 0, zip_source_open(source) == 0 else {
      throw Unusable(description: "libzip cannot read what it has written")
    }
    defer { zip_source_close(source) }
    var bytes = [UInt8](repeating: 0, count: Int(facts.size))
    let read = zip_source_read(source, &bytes, facts.size)
    guard read == zip_int64_t(bytes.count) else {
      throw Unusable(description: "libzip cannot read what it has written")
    }
    return bytes
  }

  // MARK: - Unpacking

  /// Unpacks into a folder that is made for it, and is removed where this fails. Files and folders are
  /// read-only. A package from another hand than `pack`'s may hold anything: links, devices, places
  /// outside of the folder, and more files or bytes than code may have are refused.
  package static func unpack(_ bytes: [UInt8], into folder: String) throws(Unusable) {
    // It reads the bytes until it is closed.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    guard let source = zip_source_buffer_create(copy.baseAddress, zip_uint64_t(bytes.count), 0, nil)
    else { throw Unusable(description: "libzip cannot read from memory") }
    guard let archive = zip_open_from_source(source, Int32(ZIP_RDONLY), nil) else {
      zip_source_free(source)
      throw Unusable(description: "the code is no zip file")
    }
    defer { zip_discard(archive) }
    do {
      try unpack(archive, into: folder)
    } catch {
      remove(folder)
      throw error
    }
  }

  private static func unpack(_ archive: OpaquePointer, into folder: String) throws(Unusable) {
    let count = Int(zip_get_num_entries(archive, 0))
    guard 1...mostFiles ~= count else {
      throw Unusable(description: "the code has \(count) files")
    }
    try make(folder)
    var left = mostBytes
    for index in 0..<zip_uint64_t(count) {
      try unpackFile(index, of: archive, into: folder, left: &left)
    }
    protect(folder)
  }

  private static func make(_ folder: String) throws(Unusable) {
    guard mkdir(folder, 0o755) == 0 else {
      throw Unusable(
        description: "\(folder) cannot be made: \(String(cString: strerror(errno)))", isLocal: true)
    }
  }

  private static func unpackFile(
    _ index: zip_uint64_t, of archive: OpaquePointer, into folder: String, left: inout Int
  ) throws(Unusable) {
    var facts = zip_stat_t()
    let known = UInt64(ZIP_STAT_SIZE | ZIP_STAT_NAME)
    var system: UInt8 = 0
    var attributes: UInt32 = 0
    // Raw: libzip would guess the encoding of a name that `pack` does not make.
    guard zip_stat_index(archive, index, zip_flags_t(ZIP_FL_ENC_RAW), &facts) == 0,
      facts.valid & known == known,
      zip_file_get_external_attributes(archive, index, 0, &system, &attributes) == 0
    else { throw Unusable(description: "the code's file \(index) cannot be read") }
    let path = String(validatingCString: facts.name) ?? ""
    guard isSound(path) else {
      throw Unusable(description: "the code has the file \"\(shortened(path, to: 100))\"")
    }
    let mode = system == unix ? mode_t(attributes >> 16) : S_IFREG
    guard mode & S_IFMT == S_IFREG || mode & S_IFMT == 0 else {
      throw Unusable(description: "the code's \(path) is no regular file")
    }
    guard facts.size <= left else {
      throw Unusable(description: "the code has more than \(mostBytes >> 20) MiB")
    }
    left -= Int(facts.size)
    var place = folder
    for part in path.split(separator: "/").dropLast() {
      place += "/" + part
      if mkdir(place, 0o755) != 0, errno != EEXIST {
        // ENOTDIR: the package itself has a file where it also needs a folder.
        throw Unusable(
          description: "\(place) cannot be made: \(String(cString: strerror(errno)))",
          isLocal: errno != ENOTDIR)
      }
    }
    try write(
      index, of: archive, count: Int(facts.size), to: folder + "/" + path,
      mode: mode & S_IXUSR != 0 ? 0o555 : 0o444)
  }

  private static func write(
    _ index: zip_uint64_t, of archive: OpaquePointer, count: Int, to place: String, mode: mode_t
  ) throws(Unusable) {
    guard let member = zip_fopen_index(archive, index, 0) else {
      throw Unusable(description: "\(place): \(String(cString: zip_strerror(archive)))")
    }
    defer { zip_fclose(member) }
    // A name that stands twice, or a file where a folder should be, is refused.
    let file = open(place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
    guard file >= 0 else {
      throw Unusable(
        description: "\(place) cannot be written: \(String(cString: strerror(errno)))",
        isLocal: ![EEXIST, ENOTDIR, EISDIR].contains(errno))
    }
    defer { close(file) }
    var left = count
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while left >= 0 {
      let read = zip_fread(member, &chunk, zip_uint64_t(chunk.count))
      guard read >= 0 else { throw Unusable(description: "\(place): the code is damaged") }
      if read == 0 { break }
      left -= Int(read)
      guard left >= 0 else { throw Unusable(description: "\(place): the code is damaged") }
      guard Foundation.write(file, chunk, Int(read)) == Int(read) else {
        throw Unusable(
          description: "\(place) cannot be written: \(String(cString: strerror(errno)))",
          isLocal: true)
      }
    }
    guard left == 0, fchmod(file, mode) == 0 else {
      throw Unusable(description: "\(place): the code is damaged")
    }
  }

  /// Makes a folder and those beneath it read-only, so that no program changes what others run.
  private static func protect(_ folder: String) {
    for name in subfolders(of: folder) { chmod(name, 0o555) }
    chmod(folder, 0o555)
  }

  private static func subfolders(of folder: String) -> [String] {
    (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []).map {
      folder + "/" + $0
    }.filter {
      var facts = stat()
      return lstat($0, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
    }
  }

  /// Removes a folder that `unpack` has made.
  package static func remove(_ folder: String) {
    chmod(folder, 0o755)
    for name in subfolders(of: folder) { chmod(name, 0o755) }
    // A folder that stays takes room and does no other harm.
    try? FileManager.default.removeItem(atPath: folder)
  }
}
