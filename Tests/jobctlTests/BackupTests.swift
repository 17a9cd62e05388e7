import Foundation
import JobQueue
import Postgres
import Subprocess
import SystemPackage
import TestSupport
import Testing
import Values

/// Claims, and trains nothing.
private struct Claimer: ActsAsWorker { let queue: JobQueue }

/// The drill: a queue and its checkpoints are saved, put elsewhere, and found whole.
@Suite struct BackupTests {
  private func script(_ name: String, _ arguments: [String], home: String) async throws -> (
    isSuccess: Bool, text: String
  ) {
    let result = try await Subprocess.run(
      .path(FilePath(repository.appending(path: "ops/\(name)").path)),
      arguments: Arguments(arguments),
      environment: .custom([
        "PATH": (Program.server["JOBCTL_POSTGRES"] ?? "/usr/bin") + ":/usr/bin:/bin", "HOME": home,
        "JOBCTL": Program.path,
      ]),
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
    return (result.terminationStatus.isSuccess, result.standardOutput + result.standardError)
  }

  @Test func whatIsSavedCanBeRestoredAndIsWhole() async throws {
    let queue = try await TestCluster.queue()
    let folder = try TemporaryFolder()
    try await queue.submit(plan(smallGrid("g")))
    let worker = try Program.worker(
      database: queue.database.target.string, home: folder.path, store: folder.path + "/store")
    try await untilEnded(worker)
    #expect(worker.terminationStatus == 0)

    // One more is claimed, and its worker will run on.
    try await queue.submit(
      plan(smallGrid("later", changing: [("optimizer.learning_rate", .number("0.2"))])))
    let zombie = Claimer(queue: queue)
    let claimed = try #require(try await zombie.claim(try await zombie.worker()).first)

    let saved = try await script(
      "backup", [queue.database.target.string, folder.path + "/store", folder.path + "/backup"],
      home: folder.path)
    #expect(saved.isSuccess, "\(saved.text)")
    let again = try await script(
      "backup", [queue.database.target.string, folder.path + "/store", folder.path + "/backup"],
      home: folder.path)
    #expect(!again.isSuccess, "a backup was overwritten")

    let target = try await TestCluster.database()
    let restored = try await script(
      "restore", [folder.path + "/backup", target.string, folder.path + "/other"],
      home: folder.path)
    #expect(restored.isSuccess && restored.text.contains("all is well"), "\(restored.text)")
    let facts =
      "select string_agg(run || state || parameters_digest, ' ' order by run) from report.run"
    let other = JobQueue(Database(target, logger: quietLogger))
    #expect(try await other.value(facts) == queue.value(facts))
    // The queue's identity, and the texts that its digests can be computed from again.
    for saved in [
      "select id from report.queue", "select count(*) from report.stage where is_verifiable",
      "select md5(string_agg(text, ' ' order by digest)) from jobs.identity",
    ] {
      let value = try await queue.value(saved)
      #expect(value != nil && value != "0")
      #expect(try await other.value(saved) == value, "\(saved)")
    }
    #expect(try await other.contradictions().isEmpty)
    // Whoever ran on is fenced, also from a stage that has been claimed again since.
    let claimer = Claimer(queue: other)
    let newer = try #require(try await claimer.claim(try await claimer.worker()).first)
    #expect(newer.lease.stage == claimed.lease.stage)
    #expect(newer.lease.attempt > 1_000_000)
    #expect(try await claimer.finish(claimed) == false)
    #expect(
      try await other.value("select sum(preemptions) || ' ' || sum(crashes) from jobs.stage")
        == "1 0")
    // Its roles have their rights, and work goes on.
    #expect(
      try await other.value(
        "select has_function_privilege('jobctl_worker', 'api.rescue()', 'execute')") == "t")
    try await other.submit(
      plan(smallGrid("h", changing: [("optimizer.learning_rate", .number("0.1"))])))

    // A file that is lost is found out.
    let file = try #require(try await queue.value("select min(file) from jobs.checkpoint"))
    try FileManager.default.removeItem(atPath: folder.path + "/other/" + file)
    let check = try await Program.run(
      ["fsck", "--checkpoints", folder.path + "/other"], database: target.string,
      home: folder.path)
    #expect(check.status == 1 && check.output.contains("\(file): the file is missing"))
  }

  @Test func theServiceIsHardened() async throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-analyze") else {
      print("skipped: there is no systemd-analyze here")
      return
    }
    let unit = repository.appending(path: "ops/jobctl-worker@.service").path
    let result = try await Subprocess.run(
      .path("/usr/bin/systemd-analyze"),
      arguments: ["security", "--offline=true", "--threshold=25", "--no-pager", unit],
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 16))
    // Exits with an error above a tenth of the threshold.
    #expect(result.terminationStatus.isSuccess, "\(result.standardOutput.suffix(200))")
  }
}
