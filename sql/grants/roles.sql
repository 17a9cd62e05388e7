-- Who may do what. Functions of schema api run with the rights of whoever migrated and are the only
-- way to change anything; internal ones are for them alone.
revoke all on schema jobs, api, report from public;
revoke all on all functions in schema api from public;

-- What an earlier version granted.
revoke all on all tables in schema jobs, report from jobctl_owner, jobctl_submitter,
  jobctl_worker, jobctl_reporter;

-- Everybody may ask whether the schema fits the program.
grant usage on schema report to jobctl_owner, jobctl_submitter, jobctl_worker, jobctl_reporter;
grant select on report.schema_state to jobctl_worker;
-- A worker asks whose store its folder is, and which stores the queue knows.
grant select on report.queue, report.store to jobctl_worker;

-- Reads, and nothing else.
grant select on all tables in schema report to jobctl_reporter, jobctl_submitter, jobctl_owner;

-- Submits and cancels.
grant usage on schema api to jobctl_submitter, jobctl_worker, jobctl_reporter, jobctl_owner;
grant execute on function api.queue_state(text), api.contradicting_digests() to jobctl_reporter;
grant execute on function
  api.open_submission(jsonb), api.close_submission(), api.cancel(text, text), api.queue_state(text),
  api.contradicting_digests()
to jobctl_submitter;

-- Submits programs that workers run.
grant execute on function api.store_code(bytea) to jobctl_trainers;
grant usage on schema api to jobctl_trainers;

-- Claims, trains and says how it went; sees no table.
grant execute on function
  api.register_worker(jsonb), api.register_store(text, text, text), api.retire_worker(bigint),
  api.datasets_wanted(), api.note_missing_data(bigint, jsonb), api.queue_state(text), api.rescue(),
  api.claim(jsonb, interval), api.heartbeat(bigint, jsonb, boolean, interval),
  api.record(bigint, int, jsonb), api.register_checkpoint(bigint, int, jsonb, jsonb, jsonb),
  api.finish(bigint, int, jsonb, jsonb, jsonb),
  api.finish_and_claim(bigint, int, jsonb, jsonb, jsonb, jsonb, interval),
  api.diverge(bigint, int, text, jsonb, jsonb), api.fail(bigint, int, text, boolean, jsonb),
  api.release(bigint, int, text, interval, jsonb),
  api.report_damage(bigint, int, bigint, text), api.code(text)
to jobctl_worker;

-- Runs the queue: everything above, the tables, and what changes many rows at once.
grant usage on schema jobs to jobctl_owner;
grant select, insert, update, delete on all tables in schema jobs to jobctl_owner;
grant execute on all functions in schema api to jobctl_owner;
