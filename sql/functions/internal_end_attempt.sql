-- Ends an attempt with what its worker last said of it; false where it had ended.
create or replace function api.internal_end_attempt(
  stage bigint, attempt_number int, how text, why text, totals jsonb) returns boolean
language plpgsql as $$
#variable_conflict use_variable
begin
  update jobs.attempt a
  set ended_at = api.internal_now(), outcome = how, reason = why,
      updates_to = greatest(a.updates_to, coalesce((totals ->> 'updates')::bigint, 0)),
      samples_to = greatest(a.samples_to, coalesce((totals ->> 'samples')::bigint, 0)),
      seconds = coalesce((totals ->> 'seconds')::float8, a.seconds),
      core_seconds = coalesce((totals ->> 'core_seconds')::float8, a.core_seconds),
      threads = coalesce((totals ->> 'threads')::int, a.threads),
      peak_memory_bytes = coalesce((totals ->> 'peak_memory_bytes')::bigint, a.peak_memory_bytes)
  where a.stage_id = stage and a.attempt = attempt_number and a.ended_at is null;
  return found;
end $$;
