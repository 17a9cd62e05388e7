-- The stage diverged: a result, and the end of everything below it. Fenced.
create or replace function api.diverge(
  stage bigint, attempt int, reason text, measurements jsonb, progress jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
begin
  if not api.internal_holds(stage, attempt) then
    return api.internal_fenced(stage, attempt, 'diverged');
  end if;
  perform api.internal_measure(stage, attempt, measurements);
  perform api.internal_end_attempt(stage, attempt, 'diverged', reason, progress);
  update jobs.stage s
  set state = 'diverged', worker_id = null, reason = diverge.reason, finished_at = clock_timestamp()
  where s.id = stage;
  perform api.internal_skip_below(stage);
  perform api.internal_event('diverged', stage => stage,
    detail => jsonb_build_object('attempt', attempt, 'reason', reason));
  return true;
end $$;
