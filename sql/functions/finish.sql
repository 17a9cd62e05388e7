-- A worker has trained a stage to its end; false, and nothing written, where it lost the stage.
create or replace function api.finish(
  stage bigint, attempt int, checkpoint jsonb, measurements jsonb, totals jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp
-- Plans are kept, and may be made while a table is still empty.
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_material = off set enable_sort = off set jit = off as $$
begin
  return api.internal_finish(stage, attempt, checkpoint, measurements, totals);
end $$;
