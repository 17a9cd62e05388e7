-- Frees the stages of workers that have not been heard of for a lease, whoever they are.
create or replace function api.rescue() returns int
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp
-- Plans are kept, and may be made while a table is still empty.
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_material = off set jit = off as $$
#variable_conflict use_variable
declare
  at       timestamptz := api.internal_now();
  stages   bigint[];
  attempts int[];
begin
  select array_agg(s.id), array_agg(s.attempt) into stages, attempts
  from jobs.stage s
  cross join lateral (
    select true from jobs.attempt a
    where a.stage_id = s.id and a.attempt = s.attempt and a.lease_until < at offset 0) a
  where s.state = 'running';
  if stages is null then return 0; end if;
  return api.internal_rescue(stages, attempts);
end $$;
