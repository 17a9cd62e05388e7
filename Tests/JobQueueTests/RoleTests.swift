import JobQueue
import Postgres
import TestSupport
import Testing
import Values

/// What each role may do, and that it may do nothing else.
@Suite struct RoleTests: ActsAsWorker {
  let queue: JobQueue

  init() async throws { queue = try await Self.queueWithStore() }

  /// The same database, seen by a login that is a member of one role.
  private func acting(as role: String) throws -> JobQueue {
    JobQueue(
      Database(
        try ConnectionTarget(queue.database.target.string + " options='-c role=\(role)'"),
        logger: quietLogger))
  }

  private func isRefused(_ role: String, _ sql: String) async throws -> Bool {
    do {
      _ = try await acting(as: role).database.query(sql)
      return false
    } catch PostgresError.server(let state, _, _) {
      return state.code == "42501"
    }
  }

  private static let tables = [
    "jobs.grid", "jobs.run", "jobs.stage", "jobs.attempt", "jobs.checkpoint", "jobs.measurement",
    "jobs.event", "jobs.worker", "jobs.spec", "jobs.queue",
  ]

  @Test func theSubmitterSubmitsCancelsAndReads() async throws {
    let submitter = try acting(as: "jobctl_submitter")
    #expect(try await submitter.submit(plan(smallGrid("g"))).runs == 3)
    #expect(try await submitter.cancel(grid: "g", run: nil).runs == 3)
    #expect(try await submitter.value("select count(*) from report.run") == "3")
    for table in Self.tables {
      #expect(try await isRefused("jobctl_submitter", "select from \(table)"), "\(table)")
    }
    for call in [
      "api.retry('g')", "api.pause()", "api.resume()", "api.set_priority('g', 9)",
      "api.unpark()", "api.delete_grid('g')", "api.gc('final', 'store-1')", "api.rescue()",
      "api.claim('{}', '1 s')", "api.register_worker('{}')",
      "api.internal_event('forged')", "api.internal_settle('{}')",
    ] {
      #expect(try await isRefused("jobctl_submitter", "select \(call)"), "\(call)")
    }
    #expect(try await isRefused("jobctl_submitter", "update report.queue set paused_at = now()"))
  }

  @Test func theWorkerWorksThroughFunctionsAlone() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let role = RoleTests.Worker(queue: try acting(as: "jobctl_worker"))
    try await role.queue.register(store: "store-2", path: "/elsewhere", host: "test")
    let number = try await role.worker()
    let stage = try #require(try await role.claim(number).first)
    #expect(try await role.queue.record(stage.lease, []))
    #expect(try await role.finish(stage))
    try await role.queue.retire(worker: number)
    #expect(try await Migrator(role.queue.database).status() == .current)
    for table in Self.tables + ["report.run", "report.event", "report.grid"] {
      #expect(try await isRefused("jobctl_worker", "select from \(table)"), "\(table)")
    }
    for call in [
      "api.open_submission('{}')", "api.cancel('g')", "api.retry('g')", "api.pause()",
      "api.delete_grid('g')", "api.gc('final', 'store-1')", "api.report_lost(1, 'x')",
      "api.internal_checkpoint(1, 1, '{}', true)",
    ] {
      #expect(try await isRefused("jobctl_worker", "select \(call)"), "\(call)")
    }
  }

  @Test func theReporterReadsViewsAndNothingElse() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let reporter = try acting(as: "jobctl_reporter")
    let views = try await queue.database.query(
      "select viewname from pg_views where schemaname = 'report'")
    #expect(views.count > 10)
    for view in views.compactMap({ $0["viewname"] }) {
      _ = try await reporter.database.query("select count(*) from report.\(view)")
      let mayWrite = try await queue.value(
        "select has_table_privilege('jobctl_reporter', $1, 'insert, update, delete')",
        [.text("report.\(view)")])
      #expect(mayWrite == "f", "\(view)")
    }
    // Queries run with the caller's rights: they read views alone.
    let queries = try await queue.database.query(
      """
      select format('select count(*) from report.%I(%s)', p.proname,
        (select string_agg(format('null::%s', format_type(t, null)), ', ')
         from unnest(p.proargtypes) t)) as call
      from pg_proc p where p.pronamespace = 'report'::regnamespace
      """)
    #expect(queries.count > 10)
    for call in queries.compactMap({ $0["call"] }) {
      _ = try await reporter.database.query(call)
    }
    for table in Self.tables {
      #expect(try await isRefused("jobctl_reporter", "select from \(table)"), "\(table)")
    }
    for call in ["api.open_submission('{}')", "api.cancel('g')", "api.rescue()", "api.pause()"] {
      #expect(try await isRefused("jobctl_reporter", "select \(call)"), "\(call)")
    }
  }

  /// All functions that a role may call; the owner may call each.
  private static let functions: [String: Set<String>] = [
    "jobctl_submitter": [
      "open_submission", "close_submission", "cancel", "queue_state", "contradicting_digests",
    ],
    "jobctl_worker": [
      "register_worker", "register_store", "retire_worker", "datasets_wanted", "note_missing_data",
      "queue_state", "rescue", "claim", "heartbeat", "record", "register_checkpoint", "finish",
      "finish_and_claim", "diverge", "fail", "release", "report_damage", "code",
    ],
    "jobctl_reporter": ["queue_state", "contradicting_digests"],
    "jobctl_trainers": ["store_code"],
  ]

  @Test func noRoleMayCallOrTouchMoreThanIsWrittenHere() async throws {
    let functions = try await queue.database.query(
      """
      select p.proname, r.rolname, has_function_privilege(r.rolname, p.oid, 'execute') as may
      from pg_proc p cross join pg_roles r
      where p.pronamespace = 'api'::regnamespace and r.rolname = any (array['jobctl_submitter',
        'jobctl_worker', 'jobctl_reporter', 'jobctl_trainers', 'jobctl_owner'])
      """)
    #expect(functions.count > 5 * 40)
    for row in functions {
      let (name, role) = (row["proname"] ?? "", row["rolname"] ?? "")
      let may = role == "jobctl_owner" || Self.functions[role]?.contains(name) == true
      #expect((row["may"] == "t") == may, "\(role) \(name)")
    }
    let tables = try await queue.database.query(
      """
      select c.relname, r.rolname,
        has_table_privilege(r.rolname, c.oid, 'select, insert, update, delete, truncate') as may
      from pg_class c cross join pg_roles r
      where c.relnamespace = 'jobs'::regnamespace and c.relkind in ('r', 'p')
        and r.rolname = any (array['jobctl_submitter', 'jobctl_worker', 'jobctl_reporter',
          'jobctl_trainers'])
      """)
    #expect(tables.count > 4 * 12)
    for row in tables {
      #expect(row["may"] == "f", "\(row["rolname"] ?? "") \(row["relname"] ?? "")")
    }
  }

  @Test func aLoginWithoutARoleMayDoNothing() async throws {
    _ = try? await queue.database.query("create role jobctl_test_nobody nologin")
    for sql in [
      "select count(*) from report.grid", "select api.queue_state()", "select from jobs.stage",
      "select api.open_submission('{}')",
    ] {
      #expect(try await isRefused("jobctl_test_nobody", sql), "\(sql)")
    }
  }

  @Test func functionsThatRunWithTheOwnersRightsHaveTheirPathPinned() async throws {
    let rows = try await queue.database.query(
      """
      select p.proname, p.prosecdef, array_to_string(p.proconfig, ';') as settings
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'api'
      """)
    #expect(rows.count > 30)
    for row in rows {
      let name = row["proname"] ?? ""
      let isDefiner = row["prosecdef"] == "t"
      #expect(isDefiner == !name.hasPrefix("internal_"), "\(name)")
      if isDefiner {
        let paths = ["pg_catalog, jobs, api, pg_temp", "pg_catalog, jobs, pg_temp"]
        let settings = (row["settings"] ?? "").split(separator: ";")
        #expect(
          settings.contains { setting in paths.contains { setting == "search_path=\($0)" } },
          "\(name)")
      }
    }
  }

  @Test func aCallersOwnTablesAreNotTakenForTheQueues() async throws {
    try await queue.submit(plan(smallGrid("g")))
    let role = RoleTests.Worker(queue: try acting(as: "jobctl_worker"))
    for table in ["stage", "attempt", "checkpoint", "queue", "worker"] {
      _ = try await role.queue.database.query("create temp table \(table) (id bigint)")
    }
    let stage = try #require(try await role.claim(try await role.worker()).first)
    #expect(try await role.finish(stage))
  }

  private struct Worker: ActsAsWorker { let queue: JobQueue }
}
