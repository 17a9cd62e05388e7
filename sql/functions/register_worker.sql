-- A worker makes itself known, and gets its number.
create or replace function api.register_worker(description jsonb) returns bigint
language plpgsql security definer set search_path = pg_catalog, jobs, pg_temp as $$
#variable_conflict use_variable
declare
  worker_id bigint;
begin
  insert into jobs.worker(name, host, pid, version, numerics_version, fingerprint, slots, threads,
    stores)
  values (description ->> 'name', description ->> 'host', (description ->> 'pid')::int,
    description ->> 'version', (description ->> 'numerics_version')::int,
    description ->> 'fingerprint', (description ->> 'slots')::int,
    (description ->> 'threads')::int,
    array(select jsonb_array_elements_text(description -> 'stores')))
  returning id into worker_id;
  perform api.internal_event('worker started', worker => worker_id);
  return worker_id;
end $$;
