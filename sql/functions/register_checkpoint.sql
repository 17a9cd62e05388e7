-- Registers a checkpoint inside a stage, with the measurements before it. Fenced.
create or replace function api.register_checkpoint(
  stage bigint, attempt int, checkpoint jsonb, measurements jsonb, progress jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  said api.progress := jsonb_populate_record(null::api.progress, progress);
begin
  if not api.internal_holds(stage, attempt) then
    return api.internal_fenced(stage, attempt, null);
  end if;
  perform api.internal_measure(stage, attempt, measurements);
  perform api.internal_checkpoint(stage, attempt, checkpoint, false);
  update jobs.attempt a
  set updates_to = greatest(a.updates_to, coalesce(said.updates, 0)),
      samples_to = greatest(a.samples_to, coalesce(said.samples, 0))
  where a.stage_id = stage and a.attempt = register_checkpoint.attempt;
  -- A checkpoint is progress: crashes before it no longer count as a loop.
  update jobs.stage set crash_streak = 0 where id = stage and crash_streak > 0;
  return true;
end $$;
