-- Ends an attempt with what its worker last said of it; false where it had ended.
create or replace function api.internal_end_attempt(
  stage bigint, attempt_number int, how text, why text, said jsonb) returns boolean
language plpgsql as $$
#variable_conflict use_variable
declare
  progress api.progress := jsonb_populate_record(null::api.progress, coalesce(said, '{}'));
begin
  update jobs.attempt a
  set ended_at = api.internal_now(), outcome = how, reason = why,
      updates_to = greatest(a.updates_to, coalesce(progress.updates, 0)),
      samples_to = greatest(a.samples_to, coalesce(progress.samples, 0)),
      seconds = coalesce(progress.seconds, a.seconds),
      core_seconds = coalesce(progress.core_seconds, a.core_seconds),
      threads = coalesce(progress.threads, a.threads),
      log = coalesce(progress.log, a.log),
      peak_memory_bytes = coalesce(progress.peak_memory_bytes, a.peak_memory_bytes)
  where a.stage_id = stage and a.attempt = attempt_number and a.ended_at is null;
  return found;
end $$;
