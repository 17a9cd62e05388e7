import Foundation

/// Tells on which kind of file system a folder lies.
package enum FileSystem {
  /// The type of the network file system that a path lies on; nil where it lies on a disk of this machine,
  /// or where that cannot be told. Of a path that is not there yet, its nearest folder is asked.
  package static func network(of path: String) -> String? {
    var facts = stat()
    var place = URL(filePath: path)
    while stat(place.path, &facts) != 0 {
      guard errno == ENOENT, place.path != "/" else { return nil }
      place = place.deletingLastPathComponent()
    }
    // If the list of mounts cannot be read, no warning is given.
    guard let mounts = try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8),
      let type = type(ofDevice: Int(facts.st_dev), mounts: mounts), isNetwork(type: type)
    else { return nil }
    return type
  }

  /// The type of the file system that is mounted of a device (proc(5), mountinfo).
  package static func type(ofDevice device: Int, mounts: String) -> String? {
    let major = device >> 8 & 0xFFF | device >> 32 & ~0xFFF
    let minor = device & 0xFF | device >> 12 & ~0xFF
    let line = mounts.split(separator: "\n").last { line in
      line.split(separator: " ").dropFirst(2).first == "\(major):\(minor)"
    }
    let fields = line?.split(separator: " ")
    return fields?.drop { $0 != "-" }.dropFirst().first.map(String.init)
  }

  package static func isNetwork(type: String) -> Bool {
    networks.contains(type) || type.hasPrefix("fuse")
  }

  private static let networks: Set<String> = [
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "lustre", "gpfs", "afs", "beegfs", "9p",
    "virtiofs",
    "gfs2", "ocfs2", "coda", "ncpfs", "orangefs", "pvfs2",
  ]
}
