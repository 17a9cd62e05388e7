-- A worker says which of the data sets that are wanted it cannot open: digests with reasons.
create or replace function api.note_missing_data(worker bigint, missing jsonb) returns void
language sql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
  update jobs.worker w set missing_data = missing where w.id = worker
$$;
