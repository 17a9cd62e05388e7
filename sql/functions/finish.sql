-- A worker has trained a stage to its end; false, and nothing written, where it lost the stage.
create or replace function api.finish(
  stage bigint, attempt int, checkpoint jsonb, measurements jsonb, progress jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
begin
  return api.internal_finish(stage, attempt, checkpoint, measurements, progress);
end $$;
