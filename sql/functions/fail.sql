-- An error. Where another try may help there are three, further and further apart.
create or replace function api.fail(
  stage bigint, attempt int, reason text, permanent boolean, totals jsonb) returns boolean
language plpgsql set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  is_over boolean;
begin
  if api.internal_ended_so(stage, attempt, 'failed') then return true; end if;
  if not api.internal_holds(stage, attempt) then return false; end if;
  perform api.internal_end_attempt(stage, attempt, 'failed', reason, totals);
  update jobs.stage s
  set failures = s.failures + 1, worker_id = null, reason = fail.reason,
      state = case when permanent or s.failures + 1 >= 3 then 'failed' else 'ready' end,
      not_before = clock_timestamp() + least(60, 2 ^ (s.failures + 1)) * interval '1 second'
  where s.id = stage returning s.state = 'failed' into is_over;
  if is_over then perform api.internal_skip_below(stage); end if;
  perform api.internal_event('failed', stage => stage,
    detail => jsonb_build_object('attempt', attempt, 'reason', reason, 'final', is_over));
  return true;
end $$;
