import ArgumentParser
import Checkpoints
import Datasets
import Experiments
import Foundation
import Host
import JobQueue
import Logging
import Postgres
import Tables
import Training
import Values
import Worker

// What keeps a queue and its files in order.

extension JobQueue.Retention: ExpressibleByArgument {}

struct CollectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gc", abstract: "Removes checkpoints that nothing goes on from.",
    discussion: """
      Says what it would remove unless --yes is given. Every policy keeps the checkpoints from which \
      a stage that may still be trained goes on. Of finished stages, `stage-ends` keeps the end of \
      every stage, `last` the latest end that each run has reached, `final` only each run's own end. \
      If a later grid needs an end that was removed, its stage is trained again and ends in the same \
      bits.
      """)

  @Option(help: "What is kept: stage-ends, last or final.") var keep = JobQueue.Retention.stageEnds
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var store: StoreOptions
  @Flag(help: "Remove, rather than say what would be removed.") var yes = false

  func run() async throws {
    let queue = JobQueue(try await database.open())
    let store = try await openStore(store.path, of: queue, for: .changing).store
    let files = try await queue.collect(keep, store: store.id, yes ? .forReal : .rehearsal)
    let bytes = files.reduce(0.0) { $0 + Double($1.bytes) }
    guard yes else {
      for file in files { print("\(file.bytes)\t\(file.file)") }
      print(
        "\(files.count) checkpoints, \(megabytes(bytes)) of \(store.path), would be removed. "
          + "Add --yes to do it.")
      return
    }
    // Rows first: a file without a row is litter, a row without a file would be a loss.
    let removed = files.filter { store.remove($0.file) }
    print(
      "Removed \(removed.count) checkpoints, \(megabytes(removed.reduce(0.0) { $0 + Double($1.bytes) })), "
        + "from \(store.path).")
  }
}

struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fsck", abstract: "Compares the queue's rows with each other and with the files.",
    discussion: """
      Exits with 1 when something is wrong. --repair removes files that are older than a day and \
      have no row, and unfinished files that are older than an hour. It also makes the queue forget \
      checkpoints whose files are gone or damaged; stages that need these are trained again.
      """)

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var store: StoreOptions
  @Flag(help: "Read every file whole and compare its digest, not its size only.") var deep = false
  @Flag(help: "Mend what can be mended.") var repair = false
  @Option(
    help: ArgumentHelp(
      "Forget all checkpoints of a store that is gone for good; what goes on from them is trained again.",
      valueName: "id")) var forgetStore: String?

  /// Younger files may be checkpoints that a worker is about to register, which may wait for the database
  /// as long as an outage may last; an hour more is for clocks that differ.
  private static func grace(_ entry: StoreEntry) -> Double {
    let margin = Duration.seconds(3600)
    return (entry.isUnfinished ? margin : JobQueue.longestOutage + margin) / .seconds(1)
  }

  func run() async throws {
    let queue = JobQueue(try await database.open())
    if let forgetStore { return try await forget(forgetStore, queue) }
    let store = try await openStore(
      store.path, of: queue, for: repair ? .changing : .reading
    ).store
    var problems = 0
    func complainAbout(_ text: String) {
      problems += 1
      print(printable(text))
    }
    let identity = try await queue.identity()
    for other in identity.stores where other.id != store.id && other.checkpoints > 0 {
      examine(other, of: identity.id, complainAbout)
    }
    for row in try await queue.contradictions() {
      complainAbout("stage \(row.stage.map(String.init) ?? ""): \(row.what)")
    }
    if let old = try await queue.unverifiableStages(), old > 0 {
      print(
        "\(old) stages were submitted to an earlier version: their digests are computed again once a grid "
          + "with the same runs is submitted")
    }
    // Rows first: what is registered from now on has its file, and is not looked at.
    let rows = try await queue.files(of: store.id, valid: false)
    let started = Date()
    let entries = try store.entries()
    for row in rows {
      guard let fault = try fault(of: row, in: store), try await queue.counts(checkpoint: row.id)
      else { continue }
      var text = "\(row.file): \(fault)"
      if repair {
        let isTrained = try await queue.reportLost(checkpoint: row.id, reason: fault)
        text += "; it no longer counts" + (isTrained ? ", and its stage is trained again" : "")
      }
      complainAbout(text)
    }
    let litter = entries.filter {
      $0.isCheckpoint && started.timeIntervalSince($0.modified) > CheckCommand.grace($0)
    }
    // A database that knows no file here may be an old copy of the queue's.
    let isKnown = rows.count > 0
    for entry in litter where try await !queue.counts(entry.file, of: store.id) {
      let isRemoved = repair && isKnown && unlink(store.path + "/" + entry.file) == 0
      print(
        printable(
          "\(entry.file): \(megabytes(Double(entry.bytes))) without a row that counts"
            + (isRemoved ? "; removed" : "; not needed")))
    }
    print(
      "\(rows.count) checkpoints and \(entries.count) files looked at"
        + (deep ? ", each read whole" : "") + ": "
        + (problems == 0
          ? "all is well." : problems == 1 ? "1 problem." : "\(problems) problems."))
    if problems > 0 { throw ExitCode(ExitStatus.failure) }
  }

  /// Says where the queue's other stores are. `fsck` reads the files of one store; it complains where
  /// another one that was on this host is gone.
  private func examine(
    _ other: StoreListing, of queue: String, _ complainAbout: (String) -> Void
  ) {
    let facts =
      "\(other.checkpoints) checkpoints are in store \(other.id), \(other.path) on \(other.host)"
    guard other.host == hostName else { return print(printable("\(facts): not looked at")) }
    guard !isGone(other.path, other.id, of: queue) else {
      return complainAbout(
        "\(facts), and it is not there; if it is gone for good: jobctl fsck --forget-store \(other.id)"
      )
    }
    print(printable("\(facts): not looked at; give it with --checkpoints"))
  }

  /// Whether a folder is certainly not this store any more.
  private func isGone(_ path: String, _ id: String, of queue: String) -> Bool {
    do { return try !FolderStore.isThere(path, id, of: queue) } catch { return false }
  }

  private func forget(_ id: String, _ queue: JobQueue) async throws {
    let identity = try await queue.identity()
    for known in identity.stores where known.id == id {
      // Throws where the folder cannot be read: that is no loss.
      guard try !FolderStore.isThere(known.path, id, of: identity.id) else {
        throw ValidationError(
          "store \(id) is here, in \(known.path): it is not lost. Nothing is changed.")
      }
    }
    let plan = try await queue.forget(store: id, .rehearsal)
    print(
      printable(
        "Store \(id): \(plan.checkpoints) checkpoints no longer count. \(plan.trainedAgain) stages that "
          + "were done are trained again, because others go on from them, and \(plan.setBack) that were "
          + "not done go back to an earlier checkpoint or to their start."))
    _ = try await queue.forget(store: id, .forReal)
    print("Done. Results stay; updates that are trained again give the same bits.")
  }

  /// What is wrong with a checkpoint's file. Throws where the store itself cannot be read: then
  /// nothing is known to be lost.
  private func fault(of row: StoredFile, in store: any CheckpointStore) throws -> String? {
    guard let size = try store.size(of: row.file) else { return "the file is missing" }
    guard size == row.bytes else { return "the file has \(size) bytes, not \(row.bytes)" }
    guard deep else { return nil }
    do throws(CheckpointError) {
      _ = try store.decompressed(row.file, digest: row.digest, limit: row.memoryBytes)
      return nil
    } catch {
      if case .away = error { throw error }
      return error.description
    }
  }
}

struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Says whether all that jobctl needs is there.",
    discussion: "Exits with 1 when something is missing or wrong. Prints no secret.")

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var store: StoreOptions

  func run() async throws {
    var isWell = true
    func say(_ what: String, _ isFine: Bool, _ text: String) {
      if !isFine { isWell = false }
      print("\(isFine ? "ok " : "BAD")  \(what): \(printable(text))")
    }
    say(
      "program", true,
      "jobctl \(Jobctl.version), numerics \(numericsVersion), \(numericsFingerprint)")
    let queue = await askDatabase(say)
    await askStore(queue, say)
    askData(say)
    if !isWell { throw ExitCode(ExitStatus.failure) }
  }

  private typealias Say = (_ what: String, _ isFine: Bool, _ text: String) -> Void

  /// Gives the queue, where the schema is this program's.
  private func askDatabase(_ say: Say) async -> JobQueue? {
    do {
      if case .embedded(let cluster) = try database.choice() {
        let warning = cluster.networkWarning
        say("home", warning == nil, warning ?? "\(cluster.home), on a disk of this machine")
      }
      let target = try await database.target()
      let database = Database(target, logger: .init(label: "doctor"))
      let sent = Date()
      let server = try await JobQueue(database).server()
      let answered = Date()
      say("database", true, "\(target.masked), as \(server.login)")
      say(
        "server", server.isNewEnough,
        "PostgreSQL \(server.version)" + (server.isNewEnough ? "" : "; 15 or newer is needed"))
      say(
        "durability", server.isDurable,
        "synchronous_commit = \(server.synchronousCommit)"
          + (server.isDurable ? "" : ": a crash of the server would lose finished stages"))
      say("roles", true, server.roles ?? "none of jobctl's; the owner of the schema needs none")
      let middle = (sent.timeIntervalSince1970 + answered.timeIntervalSince1970) / 2
      let skew = server.clock - middle
      say(
        "clock", abs(skew) < 5,
        "the server's is \(number(abs(skew), 2)) s \(skew < 0 ? "behind" : "ahead of") this machine's"
      )
      let status = try await Migrator(database).status()
      say("schema", status == .current, SchemaMismatch(status: status).description)
      return status == .current ? JobQueue(database) : nil
    } catch {
      say("database", false, "\(error)")
      return nil
    }
  }

  private func askStore(_ queue: JobQueue?, _ say: Say) async {
    do {
      if let queue {
        for row in try await queue.outOfReach(grid: nil) {
          let text = outOfReach(row, of: try await queue.identity().id)
          say("store", text == nil, text ?? "\(row.path), store \(row.id), waits for a worker")
        }
        let (found, _) = try await openStore(store.path, of: queue, for: .reading)
        say("checkpoints", true, "\(found.path), store \(found.id)")
      } else if let id = try FolderStore.identity(at: store.path) {
        say("checkpoints", true, "\(store.path), store \(id); its queue was not compared")
      } else {
        say("checkpoints", true, "there is no store in \(store.path) yet; a worker makes it")
      }
    } catch CheckpointError.cannotOpen where !FileManager.default.fileExists(atPath: store.path) {
      say("checkpoints", true, "\(store.path) is not there yet; a worker makes it")
      return
    } catch {
      say("checkpoints", false, "\(error)")
    }
    guard FileManager.default.fileExists(atPath: store.path) else { return }
    let facts = try? FileManager.default.attributesOfItem(atPath: store.path)
    if let mode = facts?[.posixPermissions] as? Int {
      say(
        "privacy", mode & 0o077 == 0,
        "\(store.path) has mode \(String(mode, radix: 8))"
          + (mode & 0o077 == 0 ? "" : "; others can read it: chmod 700 \(store.path)"))
    }
    say(
      "writing", access(store.path, R_OK | W_OK | X_OK) == 0,
      access(store.path, R_OK | W_OK | X_OK) == 0
        ? "this user may" : "this user may not: \(String(cString: strerror(errno)))")
    let disk = try? FileManager.default.attributesOfFileSystem(forPath: store.path)
    if let free = disk?[.systemFreeSize] as? Int {
      say("disk", free > 1 << 30, "\(megabytes(Double(free))) free")
    }
  }

  private func askData(_ say: Say) {
    let folders = DataFolders.ofProcess
    for root in folders.roots {
      let exists = FileManager.default.fileExists(atPath: root)
      say("data folder", true, root + (exists ? "" : " (not there)"))
    }
    for name in ["fashion-mnist", "cifar-10", "cifar-100"] {
      do {
        _ = try DatasetSpec(checking: .string(name)).files(in: folders)
        say("data set", true, name)
      } catch {
        if case DatasetError.absent = error {
          say("data set", true, "\(name) (absent: grids of it wait)")
        } else {
          say("data set", false, "\(name): \(error)")
        }
      }
    }
  }
}
