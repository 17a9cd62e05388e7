-- A checkpoint cannot be used: its stage goes back to the newest valid one before it.
create or replace function api.report_damage(
  stage bigint, attempt int, checkpoint bigint, reason text) returns boolean
language plpgsql set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  owner_id bigint;
begin
  if api.internal_ended_so(stage, attempt, 'damaged') then return true; end if;
  if not api.internal_holds(stage, attempt) then return false; end if;
  update jobs.checkpoint set damaged_at = coalesce(damaged_at, clock_timestamp())
  where id = checkpoint returning stage_id into owner_id;
  perform api.internal_end_attempt(stage, attempt, 'damaged', reason, null);
  -- The end of the parent is lost: train it again from what it still has.
  update jobs.stage p
  set state = case when p.parent_id is null or exists (select from jobs.stage q
        where q.id = p.parent_id and q.state = 'done') then 'ready' else 'blocked' end,
      checkpoint_id = null, finished_at = null
  where p.id = owner_id and p.id <> stage and p.checkpoint_id = checkpoint;
  update jobs.stage s
  set worker_id = null, state = case when s.parent_id is null or exists (select from jobs.stage p
        where p.id = s.parent_id and p.state = 'done') then 'ready' else 'blocked' end
  where s.id = stage;
  -- Siblings that waited on the same checkpoint wait again.
  update jobs.stage s set state = 'blocked'
  where s.parent_id = owner_id and s.state = 'ready'
    and not exists (select from jobs.stage p where p.id = owner_id and p.state = 'done')
    and owner_id <> stage;
  perform api.internal_event('damaged', stage => owner_id,
    detail => jsonb_build_object('checkpoint', checkpoint, 'reason', reason));
  perform api.internal_notify();
  return true;
end $$;
