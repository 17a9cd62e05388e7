-- Frees the stages of workers that have not been heard of for a lease, whoever they are.
create or replace function api.rescue() returns int
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  stages   bigint[];
  attempts int[];
begin
  select array_agg(s.id), array_agg(s.attempt) into stages, attempts
  from jobs.stage s where s.state = 'running';
  return api.internal_rescue(stages, attempts);
end $$;
