-- Gives a stage back that its worker stopped in good order: the worker drains, or its store has no
-- room. It counts as a preemption and never makes the stage fail.
create or replace function api.release(
  stage bigint, attempt int, reason text, delay interval, progress jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
begin
  if not api.internal_holds(stage, attempt) then
    return api.internal_fenced(stage, attempt, 'preempted');
  end if;
  perform api.internal_end_attempt(stage, attempt, 'preempted', reason, progress);
  update jobs.stage s
  set state = api.internal_place(s.parent_id), worker_id = null,
      preemptions = s.preemptions + 1, reason = release.reason,
      not_before = api.internal_now() + delay
  where s.id = stage;
  perform api.internal_event('preempted', stage => stage,
    detail => jsonb_build_object('attempt', attempt, 'reason', reason));
  perform api.internal_disorder();
  perform api.internal_notify();
  return true;
end $$;
