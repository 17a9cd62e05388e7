import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// What keeps a queue in order, as the real program does it: fsck, doctor, events, park, watch, and the
/// signs of life of a worker.
@Suite(.serialized) struct UpkeepCommandTests {
  private let queue: JobQueue
  private let folder: TemporaryFolder
  private var store: String { folder.path + "/store" }

  init() async throws {
    queue = try await TestCluster.queue()
    folder = try TemporaryFolder()
  }

  private func run(_ arguments: String...) async throws -> Program.Result {
    try await Program.run(
      arguments, database: queue.database.target.string, home: folder.path)
  }

  private func trained() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let worker = try await run("worker", "--until-empty", "--checkpoints", store)
    #expect(worker.status == 0, "\(worker.error)")
  }

  @Test func fsckFindsWhatIsMissingShortOrChangedAndRepairsIt() async throws {
    try await trained()
    let whole = try await run("fsck", "--deep", "--checkpoints", store)
    #expect(whole.status == 0 && whole.output.contains("all is well"), "\(whole.output)")
    let files = try await queue.files(of: storeID(), valid: true).map(\.file)
    #expect(files.count >= 4)
    // One is gone, one is cut, one has a changed byte and its size.
    try FileManager.default.removeItem(atPath: "\(store)/\(files[0])")
    let cut = URL(filePath: "\(store)/\(files[1])")
    try Data(contentsOf: cut).dropLast(10).write(to: cut)
    let changed = URL(filePath: "\(store)/\(files[2])")
    var bytes = try Data(contentsOf: changed)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: changed)
    let shallow = try await run("fsck", "--checkpoints", store)
    #expect(shallow.status == 1 && shallow.output.contains("2 problems"), "\(shallow.output)")
    #expect(shallow.output.contains("\(files[0]): the file is missing"))
    #expect(shallow.output.contains("\(files[1]): the file has"))
    let deep = try await run("fsck", "--deep", "--checkpoints", store)
    #expect(deep.status == 1 && deep.output.contains("3 problems"), "\(deep.output)")
    #expect(deep.output.contains("\(files[2])"))
    // Nothing was changed; now it is.
    #expect(try await queue.files(of: storeID(), valid: true).count == files.count)
    let repaired = try await run("fsck", "--deep", "--repair", "--checkpoints", store)
    #expect(repaired.status == 1 && repaired.output.contains("it no longer counts"))
    #expect(try await queue.files(of: storeID(), valid: true).count == files.count - 3)
    let after = try await run("fsck", "--deep", "--checkpoints", store)
    #expect(after.status == 0 && after.output.contains("all is well"), "\(after.output)")
  }

  private func storeID() async throws -> String {
    try await queue.value("select id from jobs.store") ?? ""
  }

  @Test func doctorSaysWhatIsThereAndWhatIsNot() async throws {
    let well = try await run("doctor", "--checkpoints", store)
    for line in ["ok   program", "ok   database", "ok   server", "ok   schema", "ok   checkpoints"]
    {
      #expect(well.output.contains(line), "\(well.output)")
    }
    #expect(well.status == 0, "\(well.output)")
    _ = try await queue.value("update jobs.schema_state set version = 9999")
    let newer = try await run("doctor", "--checkpoints", store)
    #expect(newer.status == 1 && newer.output.contains("update jobctl"), "\(newer.output)")
    let away = try await Program.run(
      ["doctor", "--checkpoints", store], database: "host=/nonexistent", home: folder.path)
    #expect(away.status == 1 && away.output.contains("BAD  database"), "\(away.output)")
  }

  /// A program that is older than the schema refuses every command, and says what to do.
  @Test func aSchemaThatIsNewerIsRefusedByEveryCommand() async throws {
    _ = try await queue.value("update jobs.schema_state set version = 9999")
    for arguments in [["list"], ["status"], ["events"], ["worker", "--checkpoints", store]] {
      let result = try await Program.run(
        arguments, database: queue.database.target.string, home: folder.path)
      #expect(result.status == 78, "\(arguments): \(result.error)")
      #expect(result.error.contains("newer than this program"), "\(result.error)")
      #expect(result.error.contains("update jobctl"), "\(result.error)")
    }
    let migrated = try await run("migrate")
    #expect(migrated.status == 78 && migrated.error.contains("update jobctl"), "\(migrated.error)")
  }

  @Test func eventsSayWhoDidWhat() async throws {
    try await queue.submit(plan(smallGrid("g")))
    try await queue.submit(plan(smallGrid("h")))
    _ = try await queue.pause(grid: "g")
    let all = try await run("events")
    #expect(all.status == 0)
    #expect(all.output.contains("submitted  grid g") && all.output.contains("paused  grid g"))
    let lines = try await run("events", "--grid", "g", "--json").output.split(separator: "\n")
    let kinds = try lines.map { try JSON(parsing: String($0))["kind"]?.stringValue }
    #expect(kinds == ["submitted", "paused"])
    #expect(try await run("events", "--limit", "1").output.split(separator: "\n").count == 1)
    #expect(try await run("events", "--limit", "0").status == 64)
  }

  @Test func parkedStagesAreListedWithTheirReasonAndTriedAgain() async throws {
    #expect(try await run("park").output == "No stage is parked.\n")
    try await queue.submit(plan(smallGrid("g")))
    _ = try await queue.value(
      "update jobs.stage set state = 'parked', reason = 'crashed', crashes = 5 where parent_id is null"
    )
    let listed = try JSON(parsing: try await run("park", "--json").output)
    #expect(listed["parked"]?.items?.count == 1)
    #expect(listed["parked"]?.items?.first?["reason"] == "crashed")
    #expect(listed["parked"]?.items?.first?["crashes"] == 5)
    #expect(try await run("unpark", "g").output.contains("1 parked stage"))
    #expect(try await run("park").output == "No stage is parked.\n")
  }

  @Test func watchFollowsAGridToItsEnd() async throws {
    try await queue.submit(plan(smallGrid("g")))
    async let watched = run("watch", "--grid", "g")
    let worker = try await run("worker", "--until-empty", "--checkpoints", store)
    #expect(worker.status == 0)
    let lines = try await watched.output.split(separator: "\n")
    #expect(lines.last?.contains("done") == true, "\(lines)")
    #expect(lines.last?.contains("100 % of the samples") == true, "\(lines)")
  }

  // MARK: - Signs of life

  private func get(
    _ path: String, port: Int, headerBytes: Int = 0
  ) async throws -> (status: Int, text: String)? {
    await withCheckedContinuation { continuation in
      let task = Process()
      let pipe = Pipe()
      task.executableURL = URL(filePath: "/usr/bin/python3")
      task.arguments = [
        "-c",
        """
        import http.client, sys
        client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
        client.putrequest("GET", "/" + sys.argv[2])
        client.putheader("X-Filler", "x" * int(sys.argv[3]))
        try:
            client.endheaders()
        except OSError:
            pass  # It was answered, and closed, before all had been sent.
        reply = client.getresponse()
        print(reply.status); print(reply.read().decode())
        """, String(port), path, String(headerBytes),
      ]
      task.standardOutput = pipe
      task.standardError = FileHandle.nullDevice
      task.terminationHandler = { _ in
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let lines = text.split(separator: "\n", maxSplits: 1)
        let status = lines.first.flatMap { Int($0) }
        continuation.resume(
          returning: status.map { ($0, lines.count > 1 ? String(lines[1]) : "") })
      }
      do { try task.run() } catch { continuation.resume(returning: nil) }
    }
  }

  /// A port that is free now.
  private func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    try #require(isBound)
    return Int(UInt16(bigEndian: address.sin_port))
  }

  @Test func aWorkerAnswersOfItsHealthAndTellsSystemd() async throws {
    let port = try freePort()
    // systemd's end of NOTIFY_SOCKET.
    let path = folder.path + "/notify"
    let inbox = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(inbox) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let isBound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(inbox, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
    try #require(isBound)
    let worker = Process()
    worker.executableURL = URL(filePath: Program.path)
    worker.arguments = ["worker", "--checkpoints", store, "--health-port", String(port)]
    worker.environment = [
      "PATH": "/usr/bin:/bin", "HOME": folder.path, "JOBCTL_HOME": folder.path,
      "JOBCTL_DATABASE_URL": queue.database.target.string, "NOTIFY_SOCKET": path,
    ]
    worker.standardError = FileHandle.nullDevice
    try worker.run()
    try await until("the worker is ready") { try await get("ready", port: port)?.status == 200 }
    #expect(try await get("health", port: port)?.text.contains("alive") == true)
    let metrics = try await get("metrics", port: port)?.text ?? ""
    #expect(metrics.contains("jobctl_worker_ready 1"))
    // Every ending has its line from the start.
    #expect(metrics.contains("jobctl_stages_ended_total{outcome=\"unrecorded\"} 0"))
    #expect(try await get("nothing", port: port)?.status == 404)
    let second = try await run(
      "worker", "--checkpoints", store, "--health-port", String(port))
    #expect(second.status != 0 && second.error.contains("choose another port"), "\(second.error)")
    // Too long a header is refused, and those who ask next are answered.
    for _ in 0..<2 {
      #expect(try await get("health", port: port, headerBytes: 1 << 20)?.status == 431)
    }
    #expect(try await get("health", port: port)?.status == 200)
    worker.terminate()
    worker.waitUntilExit()
    #expect(worker.terminationStatus == 0)
    var messages = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(inbox, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      guard count > 0 else { break }
      messages += String(decoding: buffer[..<count], as: UTF8.self) + "\n"
    }
    #expect(messages.hasPrefix("READY=1"), "\(messages)")
    #expect(messages.contains("WATCHDOG=1") && messages.contains("STOPPING=1"), "\(messages)")
  }
}
