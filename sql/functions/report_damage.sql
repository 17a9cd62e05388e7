-- A checkpoint cannot be used: its stage goes back to the newest valid one before it.
create or replace function api.report_damage(
  stage bigint, attempt int, checkpoint bigint, reason text) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  owner_id bigint := (select c.stage_id from jobs.checkpoint c where c.id = checkpoint);
  family   bigint[];
begin
  -- Ends that were given up may have to be trained again: a change of the structure.
  perform api.internal_serialize();
  -- The checkpoint's owner is this stage or its parent; siblings may wait on the same file.
  family := array(
    select s.id from jobs.stage s
    where s.id in (stage, owner_id) or (s.parent_id = owner_id and owner_id <> stage));
  perform api.internal_lock(family);
  if not api.internal_holds(stage, attempt) then
    return api.internal_fenced(stage, attempt, 'damaged');
  end if;
  if owner_id is distinct from stage and owner_id is distinct from (
    select s.parent_id from jobs.stage s where s.id = stage) then
    raise exception 'checkpoint % is none that stage % goes on from', checkpoint, stage
      using errcode = 'JC004';
  end if;
  update jobs.checkpoint set damaged_at = coalesce(damaged_at, clock_timestamp())
  where id = checkpoint;
  perform api.internal_end_attempt(stage, attempt, 'damaged', reason, null);
  update jobs.stage set worker_id = null, state = 'blocked' where id = stage;
  -- The end of the parent is lost: it is trained again from what it still has.
  update jobs.stage p set state = 'blocked', checkpoint_id = null, finished_at = null
  where p.id = owner_id and p.id <> stage and p.checkpoint_id = checkpoint;
  perform api.internal_settle(api.internal_train_again(family));
  perform api.internal_event('damaged', stage => owner_id,
    detail => jsonb_build_object('checkpoint', checkpoint, 'reason', reason));
  perform api.internal_disorder();
  perform api.internal_notify();
  return true;
end $$;
