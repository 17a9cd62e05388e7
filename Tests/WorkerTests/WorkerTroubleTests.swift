import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing
import Values
import Worker

/// Workers whose surroundings refuse something: nothing that was trained is given up for it.
@Suite struct WorkerTroubleTests: RunsWorkers {
  private let decay = [("grid", ["schedule.name": ["decay"]] as JSON)]

  @Test func aTrainedStageWaitsForItsCheckpointAndSaysWhy() async throws {
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    let (store, elsewhere) = (folder.path + "/store", folder.path + "/elsewhere")
    try await queue.submit(
      plan(smallGrid("g", changing: decay + [("epochs", 30), ("dataset.train", 4800)])))
    var settings = settings
    settings.heartbeat = .milliseconds(200)
    let worker = Task { [settings] in try await work(queue, store, settings: settings) }
    let running = "select count(*) from jobs.stage where state = 'running'"
    try await queue.until(running, is: "1")
    try FileManager.default.moveItem(atPath: store, toPath: elsewhere)
    let reason =
      "select coalesce(bool_or(reason like '%store.json%'), false) from report.stage "
      + "where state = 'running'"
    try await queue.until(reason)
    try FileManager.default.moveItem(atPath: elsewhere, toPath: store)
    try await worker.value
    #expect(try await queue.value("select state from report.run") == "finished")
    #expect(
      try await queue.value(
        "select max(attempt) || ' ' || sum(preemptions) || ' ' || sum(crashes) from jobs.stage")
        == "1 0 0")
  }

  @Test func aFinishThatIsRefusedIsAFailureAndTriedAgain() async throws {
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    try await queue.submit(plan(smallGrid("g", changing: decay)))
    // Refuses what the first attempt finishes the first stage with, for a reason that no waiting mends.
    try await queue.database.withConnection { connection throws(PostgresError) in
      try await connection.run(
        script: """
          create function refuse() returns trigger language plpgsql security definer as $$
          begin
            if new.stage_id = (select min(id) from jobs.stage) then
              raise exception 'not today';
            end if;
            return new;
          end $$;
          create trigger refuse before insert on jobs.checkpoint
            for each row when (new.final and new.attempt = 1) execute function refuse();
          """)
    }
    try await work(queue, folder.path + "/store")
    #expect(try await queue.value("select state from report.run") == "finished")
    #expect(
      try await queue.value("select sum(failures) || ' ' || sum(preemptions) from jobs.stage")
        == "1 0")
    #expect(
      try await queue.value(
        "select count(*) from jobs.event where kind = 'failed' and detail ->> 'reason' like "
          + "'%not today%'") == "1")
  }

  @Test func aWorkerThatTheQueueForgotRegistersAgainAndGoesOn() async throws {
    let (queue, folder) = (try await TestCluster.queue(), try TemporaryFolder())
    var settings = settings
    settings.idleHeartbeat = .milliseconds(200)
    let worker = Task { [settings] in
      try await work(queue, folder.path + "/store", untilEmpty: false, settings: settings)
    }
    try await queue.until("select count(*) from jobs.worker", is: "1")
    _ = try await queue.value("select api.retire_worker(max(id)) from jobs.worker")
    try await queue.until("select count(*) from jobs.worker", is: "2")
    try await queue.submit(plan(smallGrid("g", changing: decay)))
    try await queue.until("select state from report.run", is: "finished")
    #expect(
      try await queue.value(
        "select count(distinct worker_id) || ' ' || min(worker_id) from jobs.attempt")
        == "1 2")
    worker.cancel()
    _ = try? await worker.value
  }
}
