-- Given back in good order: a drained worker, or a store without room. Costs nothing.
create or replace function api.release(
  stage bigint, attempt int, reason text, delay interval, totals jsonb) returns boolean
language plpgsql set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
begin
  if api.internal_ended_so(stage, attempt, 'preempted') then return true; end if;
  if not api.internal_holds(stage, attempt) then return false; end if;
  perform api.internal_end_attempt(stage, attempt, 'preempted', reason, totals);
  update jobs.stage s
  set state = 'ready', worker_id = null, preemptions = s.preemptions + 1, reason = release.reason,
      not_before = clock_timestamp() + delay
  where s.id = stage;
  perform api.internal_event('preempted', stage => stage,
    detail => jsonb_build_object('attempt', attempt, 'reason', reason));
  perform api.internal_notify();
  return true;
end $$;
