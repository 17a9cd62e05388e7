import Checkpoints
import Datasets
import Experiments
import Foundation
import Host
import JobQueue
import Logging
import Trainers
import Training
import Values

/// Trains stages with programs of users' own (docs/TRAINERS.md). A program sees neither queue nor store: it
/// has a socket, and a folder in which it leaves files.
struct ExternalBackend: TrainingBackend {
  let options: TrainerOptions
  let folders: DataFolders
  /// Keeps what programs write, beside the checkpoints.
  let logs: String
  /// The packed folder of a digest; nil where the queue has none.
  let code: @Sendable (String) async throws -> [UInt8]?
  let logger: Logger

  let name = Backend.external.rawValue
  let versioned = Backend.external.versioned

  func prepare(_ stage: ClaimedStage) async throws(StageRefusal) -> any PreparedStage {
    let work = try TrainerStage(stage)
    if let flaw = work.flaw { throw .unsound("the stage is unsound: \(flaw)") }
    let data = try await places(of: work.spec)
    let scratch = "\(options.scratch)/stage-\(stage.lease.stage)-\(stage.lease.attempt)"
    var folder = scratch
    if let digest = work.spec.code { folder = try await unpacked(digest) }
    return Prepared(
      backend: self, lease: stage.lease, stage: work, data: data, code: folder, scratch: scratch)
  }

  /// Where the data are, which are those of the plan.
  private func places(of spec: TrainerSpec) async throws(StageRefusal) -> [String] {
    let expected = spec.datasetDigest ?? "none"
    let (dataset, folders) = (spec.dataset, folders)
    do {
      return try await blocking("looking at data") {
        let found = try dataset.facts(from: folders).digest ?? "none"
        guard found == expected else {
          throw DatasetError.differs(
            dataset: dataset.paths.joined(separator: ", "), expected: expected, found: found)
        }
        return try dataset.places(in: folders)
      }
    } catch {
      throw .missingData(digest: expected, reason: "\(error)")
    }
  }

  /// The folder of code of this digest, read-only; it is made once.
  private func unpacked(_ digest: String) async throws(StageRefusal) -> String {
    let place = "\(options.scratch)/code-\(digest)"
    if FileManager.default.fileExists(atPath: place) { return place }
    let archive: [UInt8]?
    do { archive = try await code(digest) } catch {
      throw .unavailable("the trainer's code cannot be read: \(error)")
    }
    guard let archive else {
      throw .unsound("the queue does not have the trainer's code \(digest.prefix(12))")
    }
    do {
      try await blocking("unpacking code") {
        guard Digest.sha256(of: archive) == digest else {
          throw CodePackage.Unusable(description: "the code is not that of its digest")
        }
        // Programs that clean up temporary folders may have removed it.
        try FileManager.default.createDirectory(
          atPath: options.scratch, withIntermediateDirectories: true,
          attributes: [.posixPermissions: 0o711])
        let made = "\(place).\(UUID().uuidString)"
        try CodePackage.unpack(archive, into: made)
        // Another slot may have been faster.
        if rename(made, place) != 0 { CodePackage.remove(made) }
      }
    } catch let error as CodePackage.Unusable where !error.isLocal {
      throw .unsound(error.description)
    } catch {
      throw .unavailable("the trainer's code cannot be unpacked: \(error)")
    }
    guard FileManager.default.fileExists(atPath: place) else {
      throw .unavailable("\(place) cannot be written")
    }
    return place
  }

  fileprivate struct Prepared: PreparedStage {
    let backend: ExternalBackend
    let lease: Lease
    let stage: TrainerStage
    let data: [String]
    let code: String
    let scratch: String

    func train(from checkpoint: Checkpoint?, _ attempt: AttemptCalls) -> StageEnding {
      // A folder that stays takes room until the next worker starts (Scratch).
      defer { try? FileManager.default.removeItem(atPath: scratch) }
      do {
        let resume = checkpoint.flatMap { $0.metadata[TrainerState.samplesKey] }.flatMap { Int($0) }
        let log = "\(backend.logs)/stage-\(lease.stage)-attempt-\(lease.attempt).log"
        let environment = try setUp(checkpoint, resume)
        let process = try TrainerProcess(
          Supervisor(
            command: try stage.command(output: output), folder: code, log: log,
            user: backend.options.user, threads: stage.spec.resources.cores),
          program: backend.options.supervisor, environment: environment,
          socket: scratch + "/socket")
        var run = TrainerRun(
          stage: stage, session: TrainerSession(stage, resume: resume, now: .now),
          process: process, attempt: attempt, output: output, log: LogTail(log),
          resume: resume ?? stage.start)
        return run.toItsEnd()
      } catch let error as TrainerState.Unreadable {
        return .failed("\(error)")
      } catch {
        return .unavailable("the trainer cannot be started here: \(error)")
      }
    }

    private var output: String { scratch + "/output" }

    /// Makes the folders and files that the contract names; gives the variables that name them.
    private func setUp(_ checkpoint: Checkpoint?, _ resume: Int?) throws -> [String: String] {
      let manager = FileManager.default
      // If the old folder cannot be removed, createDirectory says so.
      try? manager.removeItem(atPath: scratch)
      try manager.createDirectory(
        atPath: backend.logs, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700])
      for folder in [output, scratch + "/tmp"] {
        try manager.createDirectory(
          atPath: folder, withIntermediateDirectories: true,
          attributes: [.posixPermissions: 0o700])
        if let user = backend.options.user {
          guard chown(folder, uid_t(user.user), gid_t(user.group)) == 0 else {
            throw CocoaError(.fileWriteNoPermission)
          }
        }
      }
      // The program may pass through, and look at nothing that is not named to it.
      chmod(scratch, 0o711)
      let document = stage.document(resume: resume, data: data, output: output)
      try Data(document.encoded().utf8).write(to: URL(filePath: scratch + "/stage.json"))
      var variables = backend.options.environment
      variables["JOBCTL_STAGE"] = scratch + "/stage.json"
      variables["JOBCTL_SOCKET"] = scratch + "/socket"
      variables["JOBCTL_OUTPUT"] = output
      variables["TMPDIR"] = scratch + "/tmp"
      if let checkpoint {
        let file = scratch + "/checkpoint"
        try TrainerState.write(checkpoint, to: file)
        variables["JOBCTL_CHECKPOINT"] = file
      }
      return variables
    }
  }
}

/// How a worker runs programs of users' own.
package struct TrainerOptions: Sendable {
  /// The executable that has the supervisor's command: jobctl.
  package var supervisor: String
  /// A folder for code, and for what a program needs while it runs.
  package var scratch: String
  /// The account that programs run as; nil: the worker's own.
  package var user: Supervisor.Account?
  /// The variables that a program gets besides those of the contract.
  package var environment: [String: String]

  package init(
    supervisor: String, scratch: String, user: Supervisor.Account?, environment: [String: String]
  ) {
    (self.supervisor, self.scratch) = (supervisor, scratch)
    self.user = user
    self.environment = environment.filter { TrainerOptions.isAllowed($0.key) }
  }

  /// Names of variables that say how programs of this machine run. Others may be secrets.
  private static func isAllowed(_ name: String) -> Bool {
    let names = [
      "PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
      "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "SSL_CERT_FILE", "SSL_CERT_DIR",
    ]
    return names.contains(name)
      || ["LC_", "CUDA_", "NVIDIA_", "ROCM_"].contains { name.hasPrefix($0) }
  }
}

extension TrainerStage {
  /// Reads what was claimed.
  fileprivate init(_ claimed: ClaimedStage) throws(StageRefusal) {
    let spec: TrainerSpec
    do throws(InvalidDocument) { spec = try TrainerSpec(claimed.spec) } catch {
      guard error.problems.contains(where: \.isUnknown) else { throw .unsound("\(error)") }
      throw .anotherVersion(error.description)
    }
    guard let law = Law(claimed.law) else { throw .anotherVersion("its law") }
    self.init(
      spec: spec, seed: claimed.seed, law: law, start: claimed.start, end: claimed.end,
      startUpdates: claimed.startUpdates, runs: claimed.runs, digest: claimed.digest)
  }
}
