-- A checkpoint's file is not there, or is not what it was: it no longer counts. A stage that ended
-- with it is trained again where another goes on from it.
create or replace function api.report_lost(checkpoint bigint, reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  owner_id bigint := (select c.stage_id from jobs.checkpoint c where c.id = checkpoint);
  family   bigint[];
  was_done boolean;
begin
  perform api.internal_serialize();
  family := array(select s.id from jobs.stage s where s.id = owner_id or s.parent_id = owner_id);
  perform api.internal_lock(family);
  was_done := (select state = 'done' from jobs.stage where id = owner_id);
  update jobs.checkpoint set damaged_at = coalesce(damaged_at, api.internal_now())
  where id = checkpoint;
  family := api.internal_unearth(family);
  perform api.internal_settle(family);
  perform api.internal_event('damaged', stage => owner_id,
    detail => jsonb_build_object('checkpoint', checkpoint, 'reason', reason));
  perform api.internal_disorder();
  perform api.internal_notify();
  return jsonb_build_object('trained_again',
    was_done and (select state <> 'done' from jobs.stage where id = owner_id));
end $$;
