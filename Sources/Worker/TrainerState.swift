import Checkpoints
import Foundation
import Values

/// A file that a program has left as its state. It is opened, and its name removed, at once: the program may
/// go on and use the name again.
///
/// Sendable: nothing of it changes.
package final class TrainerState: Sendable {
  /// Why a file cannot be taken: against the contract.
  struct Unreadable: Error, CustomStringConvertible {
    let description: String
  }

  /// Below 0 of a program that has handed over none: the checkpoint says so.
  private let descriptor: Int32
  private let bytes: Int
  private let name: String
  private let samples: Int

  static let samplesKey = "samples"
  private static let nameKey = "file"
  private static let kind = "trainer"
  private static let array = "file"

  init(taking file: String?, from folder: String, samples: Int, limit: Int) throws(Unreadable) {
    self.samples = samples
    name = file ?? ""
    guard let file else {
      (descriptor, bytes) = (-1, 0)
      return
    }
    guard !file.isEmpty, !file.contains("/"), file != ".", file != "..", !file.contains("\0") else {
      throw Unreadable(
        description:
          "the trainer named the file \"\(shortened(file, to: 100))\"; a state is one file in "
          + "the folder $JOBCTL_OUTPUT, named without a folder")
    }
    let place = folder + "/" + file
    var facts = stat()
    // Not a pipe, which would wait for a writer.
    let descriptor = open(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0, fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG,
      facts.st_nlink == 1
    else {
      if descriptor >= 0 { close(descriptor) }
      throw Unreadable(
        description:
          "the trainer named the file \(shortened(file, to: 100)), which is no file of its own "
          + "in $JOBCTL_OUTPUT")
    }
    guard facts.st_size <= limit else {
      close(descriptor)
      throw Unreadable(
        description:
          "the trainer's state has \(facts.st_size) bytes, and trainer.resources.memory is "
          + "\(limit)")
    }
    unlink(place)
    (self.descriptor, bytes) = (descriptor, Int(facts.st_size))
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// The content of the checkpoint, and the digest of the program's file.
  @Sendable func sealed() throws(CheckpointError) -> (
    checkpoint: Checkpoint, parametersDigest: String
  ) {
    let bytes = try contents()
    let metadata = [
      "kind": TrainerState.kind, TrainerState.nameKey: name,
      TrainerState.samplesKey: String(samples),
    ]
    return (
      Checkpoint(metadata: metadata, arrays: [.init(TrainerState.array, bytes: bytes)]),
      Digest.sha256(of: bytes)
    )
  }

  private func contents() throws(CheckpointError) -> [UInt8] {
    var done = 0
    var problem: Int32?
    let content = [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
      while done < bytes {
        let read = pread(descriptor, buffer.baseAddress! + done, bytes - done, off_t(done))
        if read < 0, errno == EINTR { continue }
        guard read > 0 else {
          problem = read < 0 ? errno : 0
          break
        }
        done += read
      }
      count = done
    }
    guard let problem else { return content }
    throw .unreadable(
      file: name,
      reason: problem == 0
        ? "the trainer changed it after it had handed it over" : String(cString: strerror(problem)))
  }

  /// The program's file as it was; nil of another kind of checkpoint.
  package static func file(in checkpoint: Checkpoint) -> [UInt8]? {
    checkpoint.metadata["kind"] == kind ? checkpoint[array]?.bytes : nil
  }

  /// Writes the program's file as it was.
  static func write(_ checkpoint: Checkpoint, to place: String) throws {
    guard let bytes = file(in: checkpoint) else {
      throw Unreadable(description: "the checkpoint is not of a trainer")
    }
    try Data(bytes).write(to: URL(filePath: place))
    chmod(place, 0o444)
  }
}
