import Datasets
import Experiments
import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values
import Worker

/// Workers beside data that change, shrink or go away.
@Suite(.serialized) struct WorkerDataTests: RunsWorkers {
  private let queue: JobQueue
  private let folder: TemporaryFolder
  private var folders: DataFolders { DataFolders(roots: [folder.path]) }

  init() async throws {
    queue = try await TestCluster.queue()
    folder = try TemporaryFolder()
  }

  /// Rows whose label is the sign of a feature, or random.
  private func write(rows: Int, random: Bool = false) throws {
    let lines = (0..<rows).map { row -> String in
      let value = (row * 7919) % 1000 - 500
      let label = random ? (row * 104_729 / 7) % 2 : (value > 0 ? 1 : 0)
      return "\(value),\(row % 13),\(label)"
    }
    try ("a,b,label\n" + lines.joined(separator: "\n") + "\n").write(
      toFile: folder.path + "/data.csv", atomically: true, encoding: .utf8)
  }

  private func grid(
    _ name: String, validation: Int = 0, file: String = "data.csv", epochs: Int = 4
  ) throws -> Plan {
    let document: JSON = [
      "name": .string(name),
      "dataset": ["name": "csv", "path": .string(file), "validation": .integer(validation)],
      "network": ["name": "mlp", "hidden": [8]], "epochs": .integer(epochs),
      "optimizer": ["name": "momentum", "learning_rate": .number("0.05")],
      "batch": ["size": 16, "ghost": 16], "schedule": "constant",
    ]
    let folders = folders
    return try Plan(Grid(document: document)) { spec throws(InvalidDocument) in
      try spec.facts(from: folders)
    }
  }

  private func accuracy(_ grid: String, in queue: JobQueue) async throws -> Double {
    let text = try await queue.value(
      "select test_accuracy from report.run where grid = $1", [.text(grid)])
    return text.flatMap { Double($0) } ?? -1
  }

  // MARK: - Folders of pictures

  private var picture: String { folder.path + "/imagenet/train/b/0.jpg" }

  /// A small ImageNet: two classes of made-up pictures.
  private func pictures(_ name: String) throws -> Plan {
    let fixtures = repository.appending(path: "Tests/Fixtures/pictures").path
    for place in ["train/a", "train/b", "val/a", "val/b"] {
      let path = "\(folder.path)/imagenet/\(place)"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      for number in 0..<12 {
        let file = place.hasSuffix("a") ? "colour.jpg" : "grey.jpg"
        try FileManager.default.copyItem(
          atPath: "\(fixtures)/\(file)", toPath: "\(path)/\(number).jpg")
      }
    }
    let folders = DataFolders(roots: [folder.path], indices: folder.path + "/indices")
    let document: JSON = [
      "name": .string(name), "network": "cnn", "epochs": 2, "schedule": "constant",
      "dataset": ["name": "imagenet", "size": 16, "augment": ["flip": true]],
      "optimizer": ["name": "momentum", "learning_rate": .number("0.05")],
      "batch": ["size": 8, "ghost": 4],
    ]
    return try Plan(Grid(document: document)) { spec throws(InvalidDocument) in
      try spec.facts(from: folders)
    }
  }

  /// The memory of a stage is that of these few files, and not of ImageNet's.
  private func submitPictures() async throws {
    _ = try await queue.submit(Submission(pictures("g"), priority: nil) { _ in 200 << 20 })
  }

  /// Other content under the same size and time.
  private func replacePicture(_ content: Data) throws {
    var facts = stat()
    try #require(stat(picture, &facts) == 0)
    try content.write(to: URL(filePath: picture))
    let times = [facts.st_atim, facts.st_mtim]
    try #require(utimensat(AT_FDCWD, picture, times, 0) == 0)
  }

  private func picturesWorker(_ store: String) -> WorkerService {
    var options = options(folder.path + "/" + store)
    options.dataFolders = DataFolders(roots: [folder.path], indices: folder.path + "/indices")
    return WorkerService(
      options, target: queue.database.target, settings: settings, logger: quietLogger,
      news: { _ in })
  }

  @Test func aFolderOfPicturesIsTrainedOn() async throws {
    try await submitPictures()
    try await picturesWorker("store").run()
    #expect(try await queue.value("select state from report.run") == "finished")
    #expect(try await queue.value("select max(test_samples) from jobs.measurement") == "24")
  }

  /// A file that changes behind its index gives the stage back, and costs no failure.
  @Test func aPictureThatChangesGivesTheStageBack() async throws {
    try await submitPictures()
    let whole = try Data(contentsOf: URL(filePath: picture))
    var changed = whole
    changed[changed.count - 40] ^= 1
    try replacePicture(changed)
    let worker = picturesWorker("store")
    let running = Task { try await worker.run() }
    try await queue.until("select exists (select from report.waiting)")
    let reason = try await queue.value("select reason from report.waiting") ?? ""
    #expect(reason.contains("b/0.jpg") && reason.contains("not the file that was indexed"))
    #expect(
      try await queue.value("select max(failures) || '/' || max(crashes) from jobs.stage") == "0/0")
    worker.drain()
    try await running.value
    // Put back, it is trained.
    try replacePicture(whole)
    try await picturesWorker("store").run()
    #expect(try await queue.value("select state from report.run") == "finished")
  }

  /// One worker, two grids, and between them another file of the same name.
  @Test func aFileThatIsReplacedIsReadAgain() async throws {
    try write(rows: 1000)
    try await queue.submit(grid("before"))
    let (store, data) = (folder.path + "/store", [folder.path])
    let worker = Task { try await work(queue, store, untilEmpty: false, data: data) }
    try await queue.until("select state from report.run where grid = 'before'", is: "finished")
    #expect(try await accuracy("before", in: queue) > 0.9)
    try write(rows: 1000, random: true)
    try await queue.submit(grid("after"))
    try await queue.until("select state from report.run where grid = 'after'", is: "finished")
    worker.cancel()
    _ = try? await worker.value
    #expect(try await accuracy("after", in: queue) < 0.7)
    // As a worker has it that has never seen the other file.
    let fresh = try await TestCluster.queue()
    try await fresh.submit(grid("after"))
    try await work(fresh, folder.path + "/fresh", data: data)
    let digest = "select parameters_digest from report.run where grid = 'after'"
    #expect(try await queue.value(digest) == fresh.value(digest))
  }

  /// The file of one grid shrinks below what is held out: that grid waits and says why, others go on.
  @Test func aFileThatShrinksHoldsUpItsOwnGridAlone() async throws {
    try write(rows: 1000)
    try await queue.submit(grid("bad", validation: 300))
    try write(rows: 100)
    let store = folder.path + "/store"
    let data = [folder.path]
    let worker = Task { try await work(queue, store, untilEmpty: false, data: data) }
    let reason = "select reason from report.waiting limit 1"
    try await until("there is a reason to wait") { try await queue.value(reason) != nil }
    #expect(try await queue.value(reason)?.contains("not those of the plan") == true)
    try await queue.submit(plan(smallGrid("good", changing: [("grid", [:]), ("epochs", 3)])))
    try await queue.until("select state from report.run where grid = 'good'", is: "finished")
    try await queue.until(
      "select count(*) from report.missing_data where path = 'data.csv'", is: "1")
    #expect(
      try await queue.value(
        "select state || failures || crashes from jobs.stage order by id limit 1") == "ready00")
    // The file is whole again: a worker that starts now trains on it.
    worker.cancel()
    _ = try? await worker.value
    try write(rows: 1000)
    try await work(queue, store, data: data)
    #expect(try await queue.value("select state from report.run where grid = 'bad'") == "finished")
    #expect(try await queue.value("select count(*) from report.waiting") == "0")
  }

  /// The digest is the data: neither the first name of a file nor a false description holds anybody up.
  @Test func aFileMayBeRenamedAndNobodyCanOccupyItsDigest() async throws {
    try write(rows: 400)
    try await queue.submit(grid("early"))
    let digest = try await queue.value("select digest from jobs.dataset") ?? ""
    _ = try await queue.value(
      """
      insert into jobs.dataset_place(digest, description)
      values ($1, '{"name": "csv", "path": "no/such.csv"}'), ($1, '{"name": "nothing"}')
      returning 1
      """, [.text(digest)])
    try FileManager.default.moveItem(
      atPath: folder.path + "/data.csv", toPath: folder.path + "/renamed.csv")
    try await queue.submit(grid("late", validation: 40, file: "renamed.csv", epochs: 6))
    #expect(try await queue.value("select count(*) from jobs.dataset") == "1")
    let (store, data) = (folder.path + "/store", [folder.path])
    let worker = Task { try await work(queue, store, untilEmpty: false, data: data) }
    // The grid that was planned under the old name is trained from the new one.
    for name in ["late", "early"] {
      try await queue.until("select state from report.run where grid = '\(name)'", is: "finished")
    }
    worker.cancel()
    _ = try? await worker.value
    #expect(try await queue.value("select sum(failures + crashes) from jobs.stage") == "0")
  }

  /// The data set is here for one grid and not for another: that other one is not tried again and again.
  @Test func aStageWhoseDataFailIsSetAsideThoughItsDigestIsHere() async throws {
    try write(rows: 1000)
    try await queue.submit(grid("demanding", validation: 300, epochs: 2))
    let digest = try await queue.value("select digest from jobs.dataset") ?? ""
    try FileManager.default.moveItem(
      atPath: folder.path + "/data.csv", toPath: folder.path + "/other.csv")
    try write(rows: 100)
    _ = try await queue.value(
      """
      insert into jobs.dataset_place(digest, description)
      values ($1, '{"name": "csv", "path": "other.csv"}') returning 1
      """, [.text(digest)])
    // Found under the other name, and then that is another file too.
    try FileManager.default.removeItem(atPath: folder.path + "/other.csv")
    try FileManager.default.copyItem(
      atPath: folder.path + "/data.csv", toPath: folder.path + "/other.csv")
    let (store, data) = (folder.path + "/store", [folder.path])
    let worker = Task { try await work(queue, store, untilEmpty: false, data: data) }
    try await queue.until("select count(*) > 0 from report.waiting")
    try await Task.sleep(for: .seconds(3))
    worker.cancel()
    _ = try? await worker.value
    let attempts = try await queue.value("select count(*) from jobs.attempt") ?? ""
    #expect((Int(attempts) ?? .max) <= 2, "\(attempts) attempts")
  }

  @Test func aFileThatIsAbsentIsReportedAndNothingIsClaimed() async throws {
    try write(rows: 200)
    try await queue.submit(grid("g"))
    try FileManager.default.removeItem(atPath: folder.path + "/data.csv")
    let (store, data) = (folder.path + "/store", [folder.path])
    let worker = Task { try await work(queue, store, untilEmpty: false, data: data) }
    try await queue.until("select reason like '%is not here%' from report.missing_data")
    worker.cancel()
    _ = try? await worker.value
    #expect(try await queue.value("select count(*) from jobs.attempt") == "0")
  }

  /// A submitter may send stages that the planner would have refused.
  @Test(arguments: [
    (
      "update jobs.spec set document = jsonb_set(document, '{ghost}', '4611686018427387904')",
      "ghost"
    ),
    ("update jobs.stage set end_samples = 9223372036854775807", "to sample 9223372036854775807"),
    ("update jobs.stage set start_updates = 9223372036854775807", "unsound"),
    ("update jobs.stage set seed = -1", "its seed is -1"),
    ("update jobs.stage set law = jsonb_set(law, '{batch}', '9007199254740992')", "unsound"),
    ("update jobs.stage set law = jsonb_set(law, '{batch}', '33')", "unsound"),
    ("update jobs.stage set law = jsonb_set(law, '{momentum}', '\"3/2\"')", "its momentum is 1.5"),
    ("update jobs.stage set memory_bytes = 1", "was submitted with 0 MiB"),
    (
      "update jobs.spec set document = jsonb_set(document, '{network}', '\"inception-resnet-v2\"')",
      "needs pictures of at least 75"
    ),
    (
      "update jobs.spec set document = jsonb_set(document, '{dataset,height}', '1048576')",
      "dataset.height"
    ),
    (
      "update jobs.spec set document = jsonb_set(document, '{dataset,validation}', '480')",
      "leaves none of the 480"
    ),
    (
      "update jobs.spec set document = jsonb_set(document, '{network}', "
        + "'{\"name\": \"mlp\", \"hidden\": [65536, 65536, 65536]}')", "it takes"
    ),
  ])
  func aStageThatThePlannerWouldRefuseFailsAndEndsNoWorker(change: String, part: String)
    async throws
  {
    try await queue.submit(plan(smallGrid("bad", changing: [("grid", [:]), ("epochs", 3)])))
    _ = try await queue.database.query(change)
    try await queue.submit(
      plan(
        smallGrid("good", changing: [("grid", [:]), ("optimizer.weight_decay", .number("0.01"))])))
    try await work(queue, folder.path + "/store")
    #expect(try await queue.value("select state from report.run where grid = 'bad'") == "failed")
    let reason = try await queue.value("select reason from report.run where grid = 'bad'") ?? ""
    #expect(reason.contains(part), "\(reason)")
    #expect(try await queue.value("select sum(crashes) from jobs.stage") == "0")
  }

  /// Another version may know names and members that this one does not: its workers can train the stage.
  @Test(arguments: [
    (
      "update jobs.spec set document = jsonb_set(document, '{network}', '\"transformer\"')",
      "transformer"
    ),
    (
      "update jobs.spec set document = jsonb_set(document, '{optimizer,name}', '\"lion\"')", "lion"
    ),
    (
      "update jobs.spec set document = jsonb_set(document, '{dataset,name}', '\"webdataset\"')",
      "webdataset"
    ),
    (
      "update jobs.spec set document = jsonb_set(document, '{dataset,shards}', '4')",
      "dataset.shards"
    ),
    ("update jobs.spec set document = '{}'", "dataset"),
    ("update jobs.stage set law = jsonb_set(law, '{rate,base}', '\"1/0\"')", "its law"),
    ("update jobs.stage set law = '{}'", "its law"),
    ("update jobs.stage set probe = '{\"every\": 0}'", "its gradient probe"),
  ])
  func aStageOfAnotherVersionIsGivenBackAndNotClaimedAgain(change: String, part: String)
    async throws
  {
    try await queue.submit(plan(smallGrid("other", changing: [("grid", [:]), ("epochs", 3)])))
    _ = try await queue.database.query(change)
    // Another spec: grids that differ in the learning rate alone have one in common.
    func good(_ name: String, _ decay: String) throws -> Plan {
      try plan(
        smallGrid(
          name, changing: [("grid", [:]), ("optimizer.weight_decay", .number(decay))]))
    }
    try await queue.submit(good("good", "0.01"))
    let store = folder.path + "/store"
    let worker = Task { try await work(queue, store) }
    let isOver = "select bool_and(state = 'finished') from report.run where grid like 'good%'"
    try await queue.until(isOver)
    // Claims that come later leave it out.
    try await queue.submit(good("good-2", "0.02"))
    try await queue.until(isOver)
    worker.cancel()
    _ = try? await worker.value
    let reason = try await queue.value("select reason from report.waiting") ?? ""
    #expect(reason.contains(part) && reason.contains("version"), "\(reason)")
    let attempts = """
      select count(*) || ' ' || max(outcome) from report.attempt where stage_id in (
        select stage_id from report.run_stage rs join report.submission g on g.id = rs.grid_id
        where g.grid = 'other')
      """
    #expect(try await queue.value(attempts) == "1 preempted")
    #expect(try await queue.value("select sum(failures + crashes) from jobs.stage") == "0")
  }
}
