-- A checkpoint's file is not there, or is not what it was: it no longer counts. A stage that ended
-- with it is trained again where another goes on from it.
create or replace function api.report_lost(checkpoint bigint, reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  lost jsonb;
begin
  perform api.internal_serialize();
  lost := api.internal_lose(array[checkpoint]);
  perform api.internal_event('damaged',
    stage => (select c.stage_id from jobs.checkpoint c where c.id = checkpoint),
    detail => jsonb_build_object('checkpoint', checkpoint, 'reason', reason));
  return jsonb_build_object('trained_again', (lost -> 'trained_again')::int > 0);
end $$;
