-- The stage is done: checkpoint, measurements, and its children's release, at once or not at all.
create or replace function api.finish(
  stage bigint, attempt int, checkpoint jsonb, measurements jsonb, totals jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp
-- Plans are kept, and may be made while a table is still empty.
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_material = off set jit = off as $$
#variable_conflict use_variable
declare
  final_id bigint;
  freed    int := 0;
begin
  if not api.internal_holds(stage, attempt) then
    return api.internal_fenced(stage, attempt, 'finished');
  end if;
  if measurements <> '[]' then perform api.internal_measure(stage, attempt, measurements); end if;
  final_id := api.internal_checkpoint(stage, attempt, checkpoint, true);
  perform api.internal_end_attempt(stage, attempt, 'finished', null, totals);
  update jobs.stage
  set state = 'done', worker_id = null, checkpoint_id = final_id, finished_at = clock_timestamp(),
      crash_streak = 0, reason = null
  where id = stage;
  if exists (select from jobs.stage s where s.parent_id = stage) then
    perform from jobs.stage s where s.parent_id = stage order by s.id for no key update;
    update jobs.stage set state = 'ready' where parent_id = stage and state = 'blocked';
    get diagnostics freed = row_count;
  end if;
  perform api.internal_event('finished', stage => stage,
    detail => jsonb_build_object('attempt', attempt));
  if freed > 0 then perform api.internal_notify(); end if;
  return true;
end $$;
