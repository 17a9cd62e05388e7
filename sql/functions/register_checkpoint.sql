-- Registers a checkpoint inside a stage, with the measurements before it. Fenced.
create or replace function api.register_checkpoint(
  stage bigint, attempt int, checkpoint jsonb, measurements jsonb, totals jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp
-- Plans are kept, and may be made while a table is still empty.
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_material = off set jit = off as $$
#variable_conflict use_variable
begin
  if not api.internal_holds(stage, attempt) then
    return api.internal_fenced(stage, attempt, null);
  end if;
  perform api.internal_measure(stage, attempt, measurements);
  perform api.internal_checkpoint(stage, attempt, checkpoint, false);
  update jobs.attempt a
  set updates_to = greatest(a.updates_to, coalesce((totals ->> 'updates')::bigint, 0)),
      samples_to = greatest(a.samples_to, coalesce((totals ->> 'samples')::bigint, 0))
  where a.stage_id = stage and a.attempt = register_checkpoint.attempt;
  -- A checkpoint is progress: crashes before it no longer count as a loop.
  update jobs.stage set crash_streak = 0 where id = stage and crash_streak > 0;
  return true;
end $$;
