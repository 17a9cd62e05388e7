import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// One queue, one store: stores of other queues, lost folders and swapped ones, as the real program meets
/// them.
@Suite(.serialized) struct StoreCommandTests {
  private let queue: JobQueue
  private let folder: TemporaryFolder
  private var store: String { folder.path + "/store" }

  init() async throws {
    queue = try await TestCluster.queue()
    folder = try TemporaryFolder()
  }

  private func run(_ arguments: String..., of other: JobQueue? = nil) async throws
    -> Program.Result
  {
    try await Program.run(
      arguments + ["--checkpoints", store], database: (other ?? queue).database.target.string,
      home: folder.path)
  }

  private func trained() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let worker = try await run("worker", "--until-empty")
    #expect(worker.status == 0, "\(worker.error)")
  }

  private func files() throws -> [String: Data] {
    try FileManager.default.contentsOfDirectory(atPath: store).reduce(into: [:]) {
      $0[$1] = try Data(contentsOf: URL(filePath: "\(store)/\($1)"))
    }
  }

  /// Its log until a word is in it, for a minute at most; then it drains.
  private func saidByAWorker(at path: String, until word: String) async throws -> String {
    let worker = Process()
    let log = folder.path + "/log"
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    worker.executableURL = URL(filePath: Program.path)
    worker.arguments = ["worker", "--checkpoints", path]
    worker.environment = [
      "PATH": "/usr/bin:/bin", "HOME": folder.path, "JOBCTL_HOME": folder.path,
      "JOBCTL_DATABASE_URL": queue.database.target.string,
    ]
    worker.standardError = FileHandle(forWritingAtPath: log)
    try worker.run()
    var text = ""
    try await until("the log says \(word)") {
      text = try String(contentsOfFile: log, encoding: .utf8)
      return text.contains(word)
    }
    worker.terminate()
    worker.waitUntilExit()
    return text
  }

  private func identity(_ queue: JobQueue) async throws -> String {
    try await queue.value("select id from jobs.queue") ?? ""
  }

  @Test func noCommandOfAnotherQueueTouchesAStore() async throws {
    try await trained()
    let before = try files()
    let other = try await TestCluster.queue()
    try await other.submit(plan(smallGrid("g")))
    let names = [try await identity(queue), try await identity(other)]
    for command in [
      ["worker", "--until-empty"], ["gc", "--yes"], ["fsck", "--repair"], ["delete", "g", "--yes"],
      ["checkpoint", "verify"],
    ] {
      let result = try await Program.run(
        command + ["--checkpoints", store], database: other.database.target.string,
        home: folder.path)
      #expect(result.status != 0, "\(command)")
      for name in names {
        #expect(result.error.contains(name), "\(command): \(result.error)")
      }
    }
    #expect(try files() == before)
    #expect(try await other.value("select count(*) from jobs.grid") == "1")
    let verified = try await run("checkpoint", "verify")
    #expect(verified.status == 0, "\(verified.output)")
  }

  @Test func aLostFolderIsNotMadeAnewAndCanBeForgotten() async throws {
    try await trained()
    let id = try await queue.value("select id from jobs.store") ?? ""
    try FileManager.default.removeItem(atPath: store)
    // A grid that goes on from what was trained.
    try await queue.submit(
      plan(smallGrid("longer", changing: [("epochs", 5)])))
    let worker = try await run("worker", "--until-empty")
    #expect(worker.status != 0 && worker.error.contains(id), "\(worker.error)")
    #expect(worker.error.contains("fsck --forget-store \(id)"), "\(worker.error)")
    #expect(!FileManager.default.fileExists(atPath: store))
    let doctor = try await run("doctor")
    #expect(doctor.status == 1 && doctor.output.contains(id), "\(doctor.output)")
    let checked = try await run("fsck", "--repair")
    #expect(checked.status != 0 && checked.error.contains(id), "\(checked.error)")
    // Another folder does not hide it.
    let text = try await saidByAWorker(at: folder.path + "/other", until: id)
    #expect(text.contains(id), "\(text)")
    let unknown = try await run("fsck", "--forget-store", "nothing")
    #expect(
      unknown.status != 0 && unknown.error.contains("no checkpoint store"), "\(unknown.error)")
    let forgotten = try await run("fsck", "--forget-store", id)
    #expect(forgotten.status == 0 && forgotten.output.contains("trained again"))
    let again = try await run("worker", "--until-empty")
    #expect(again.status == 0, "\(again.error)")
    #expect(try await queue.value("select count(*) from jobs.stage where state <> 'done'") == "0")
    let well = try await run("fsck", "--deep")
    #expect(well.status == 0, "\(well.output)")
  }

  @Test func statusNamesCheckpointsThatAreOutOfReach() async throws {
    try await trained()
    let id = try await queue.value("select id from jobs.store") ?? ""
    try await queue.submit(plan(smallGrid("longer", changing: [("epochs", 5)])))
    func status() async throws -> String {
      try await Program.run(
        ["status"], database: queue.database.target.string, home: folder.path
      ).output
    }
    // A worker that is started here would have it.
    #expect(try await !status().contains(id))
    try FileManager.default.moveItem(atPath: store, toPath: folder.path + "/away")
    let text = try await status()
    #expect(text.contains(id) && text.contains("--forget-store"), "\(text)")
    // Another store in its place is another store.
    try await queue.submit(plan(smallGrid("h", changing: [("seeds", [9])])))
    let other = try await TestCluster.queue()
    _ = try await run("worker", "--until-empty", of: other)
    let swapped = try await run("worker", "--until-empty")
    #expect(swapped.status != 0 && swapped.error.contains("is of queue"), "\(swapped.error)")
  }

  @Test func aStoreIsKnownToAWorkerThatMaySeeNoTable() async throws {
    #expect(
      try await queue.value(
        """
        select bool_and(has_table_privilege('jobctl_worker', v, 'select'))
        from unnest(array['report.queue', 'report.store']) v
        """) == "t")
  }
}
