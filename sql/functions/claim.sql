-- Gives a worker up to `slots` ready stages that it can train, with all that training needs.
create or replace function api.claim(worker bigint, slots int, request jsonb, lease interval)
returns setof jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp
-- Plans are kept, and may be made while a table is still empty, or little seems to be ready.
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_material = off set enable_sort = off set jit = off as $$
begin
  return query select unnest(api.internal_claim(worker, slots, request, lease));
end $$;
