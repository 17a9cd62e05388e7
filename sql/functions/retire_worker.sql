-- A worker says that it stops.
create or replace function api.retire_worker(worker bigint) returns void
language plpgsql security definer set search_path = pg_catalog, jobs, pg_temp as $$
#variable_conflict use_variable
begin
  update jobs.worker set state = 'gone', seen_at = clock_timestamp()
  where id = worker and state <> 'gone';
  if found then perform api.internal_event('worker stopped', worker => worker); end if;
end $$;
