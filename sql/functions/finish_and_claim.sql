-- Finishes a stage, and claims in the same transaction as if afterwards: one commit where there
-- were two. A write that is refused keeps nobody from claiming.
create or replace function api.finish_and_claim(
  stage bigint, attempt int, checkpoint jsonb, measurements jsonb, totals jsonb, worker bigint,
  slots int, request jsonb, lease interval, out accepted boolean, out claimed jsonb)
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp
-- Plans are kept, and may be made while a table is still empty, or little seems to be ready.
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_material = off set enable_sort = off set jit = off as $$
begin
  accepted := api.internal_finish(stage, attempt, checkpoint, measurements, totals);
  claimed := to_jsonb(api.internal_claim(worker, slots, request, lease));
end $$;
