import Experiments
import Foundation
import Host
import Values

/// A folder of code as `submit` reads it: the files that git tracks or does not ignore; without git, all but
/// hidden ones and Python's caches.
package struct CodeFolder: Sendable {
  /// As a zip file; nil where a trainer has no folder.
  package let archive: [UInt8]?
  package let digests: TrainerDigests

  /// Reads the files of a trainer. Relative places are beneath `base`, the folder of the grid file.
  package init(_ files: TrainerFiles, base: String) async throws {
    let folder = files.folder.map { CodeFolder.place($0, base) }
    if let folder {
      var facts = stat()
      guard stat(folder, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else {
        throw InvalidDocument([
          Problem("trainer.code", "\(folder) is no folder; it is looked for beside the grid file")
        ])
      }
      do {
        archive = try CodePackage.pack(try await CodeFolder.names(in: folder), in: folder)
      } catch let error as CodePackage.Unusable {
        throw InvalidDocument([Problem("trainer.code", error.description)])
      }
    } else {
      archive = nil
    }
    var lock: String?
    if let lockFile = files.lockFile {
      let place = (folder ?? base) + "/" + lockFile
      guard let content = try? Data(contentsOf: URL(filePath: place)) else {
        throw InvalidDocument([
          Problem("trainer.environment.lock", "\(place) cannot be read")
        ])
      }
      lock = Digest.sha256(of: [UInt8](content))
    }
    digests = TrainerDigests(code: archive.map { Digest.sha256(of: $0) }, lock: lock)
  }

  private static func place(_ folder: String, _ base: String) -> String {
    folder.hasPrefix("/") ? folder : base + "/" + folder
  }

  private static func names(in folder: String) async throws -> [String] {
    // Without git, or outside of what it keeps, all files count.
    let listed = try? await ChildProcess.run(
      "/usr/bin/env",
      ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."],
      in: folder, mostOutput: 16 << 20)
    if let listed, listed.isSuccess, !listed.output.isEmpty {
      // Files that are tracked and were removed are no part of the code.
      return listed.output.split(separator: "\0").map(String.init).filter {
        var facts = stat()
        return lstat(folder + "/" + $0, &facts) == 0
      }
    }
    let all = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    return all.filter { path in
      var facts = stat()
      let parts = path.split(separator: "/")
      return !parts.contains { $0.hasPrefix(".") || $0 == "__pycache__" }
        && lstat(folder + "/" + path, &facts) == 0 && facts.st_mode & S_IFMT != S_IFDIR
    }
  }
}
