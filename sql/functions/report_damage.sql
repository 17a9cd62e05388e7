-- A checkpoint cannot be used: its stage goes back to the newest valid one before it.
create or replace function api.report_damage(
  stage bigint, attempt int, checkpoint bigint, reason text) returns boolean
language plpgsql set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  owner_id bigint := (select c.stage_id from jobs.checkpoint c where c.id = checkpoint);
  family   bigint[];
begin
  if api.internal_ended_so(stage, attempt, 'damaged') then return true; end if;
  -- The checkpoint's owner is this stage or its parent; siblings may wait on the same file.
  family := array(
    select s.id from jobs.stage s
    where s.id in (stage, owner_id) or (s.parent_id = owner_id and owner_id <> stage));
  perform api.internal_lock(family);
  if not api.internal_holds(stage, attempt) then return false; end if;
  update jobs.checkpoint set damaged_at = coalesce(damaged_at, clock_timestamp())
  where id = checkpoint;
  perform api.internal_end_attempt(stage, attempt, 'damaged', reason, null);
  update jobs.stage set worker_id = null, state = 'blocked' where id = stage;
  -- The end of the parent is lost: it is trained again from what it still has.
  update jobs.stage p set state = 'blocked', checkpoint_id = null, finished_at = null
  where p.id = owner_id and p.id <> stage and p.checkpoint_id = checkpoint;
  perform api.internal_settle(family);
  perform api.internal_event('damaged', stage => owner_id,
    detail => jsonb_build_object('checkpoint', checkpoint, 'reason', reason));
  perform api.internal_notify();
  return true;
end $$;
