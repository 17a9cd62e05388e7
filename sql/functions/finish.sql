-- The stage is done: checkpoint, measurements, and its children's release, at once or not at all.
create or replace function api.finish(
  stage bigint, attempt int, checkpoint jsonb, measurements jsonb, totals jsonb) returns boolean
language plpgsql set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  final_id bigint;
  freed    int;
begin
  if api.internal_ended_so(stage, attempt, 'finished') then return true; end if;
  if not api.internal_holds(stage, attempt) then return false; end if;
  perform api.internal_measure(stage, attempt, measurements);
  final_id := api.internal_checkpoint(stage, attempt, checkpoint, true);
  perform api.internal_end_attempt(stage, attempt, 'finished', null, totals);
  update jobs.stage
  set state = 'done', worker_id = null, checkpoint_id = final_id, finished_at = clock_timestamp(),
      crash_streak = 0, reason = null
  where id = stage;
  perform api.internal_lock(array(select s.id from jobs.stage s where s.parent_id = stage));
  update jobs.stage set state = 'ready' where parent_id = stage and state = 'blocked';
  get diagnostics freed = row_count;
  perform api.internal_event('finished', stage => stage,
    detail => jsonb_build_object('attempt', attempt));
  if freed > 0 then perform api.internal_notify(); end if;
  return true;
end $$;
