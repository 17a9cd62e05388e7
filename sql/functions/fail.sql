-- Records that an attempt failed. Unless the error is permanent, the stage is tried again, after a
-- longer wait each time, until it has failed internal_failure_limit times.
create or replace function api.fail(
  stage bigint, attempt int, reason text, permanent boolean, progress jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  is_over boolean;
begin
  if not api.internal_holds(stage, attempt) then
    return api.internal_fenced(stage, attempt, 'failed');
  end if;
  perform api.internal_end_attempt(stage, attempt, 'failed', reason, progress);
  update jobs.stage s
  set failures = s.failures + 1, worker_id = null, reason = fail.reason,
      state = case when permanent or s.failures + 1 >= api.internal_failure_limit() then 'failed'
        else api.internal_place(s.parent_id) end,
      not_before = api.internal_now() + least(60, 2 ^ (s.failures + 1)) * interval '1 second'
  where s.id = stage returning s.state = 'failed' into is_over;
  if is_over then perform api.internal_skip_below(stage); end if;
  perform api.internal_event('failed', stage => stage,
    detail => jsonb_build_object('attempt', attempt, 'reason', reason, 'final', is_over));
  if not is_over then perform api.internal_disorder(); end if;
  return true;
end $$;
