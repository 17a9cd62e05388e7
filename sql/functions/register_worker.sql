-- A worker makes itself known, and gets its number. Who has been silent for a day is gone; should
-- it come back, it registers again.
create or replace function api.register_worker(description jsonb) returns bigint
language plpgsql security definer set search_path = pg_catalog, jobs, pg_temp as $$
#variable_conflict use_variable
declare
  worker_id bigint;
  at        timestamptz := api.internal_now();
begin
  insert into jobs.worker(name, host, pid, version, numerics_version, fingerprint, slots, threads,
    stores, seen_at, swept_at)
  select w.name, w.host, w.pid, w.version, w.numerics_version, w.fingerprint, w.slots, w.threads,
    w.stores, at, at
  from jsonb_populate_record(null::api.worker_description, description) w
  returning id into worker_id;
  update jobs.worker w set state = 'gone'
  where w.state <> 'gone' and w.seen_at < at - interval '1 day';
  perform api.internal_event('worker started', worker => worker_id);
  return worker_id;
end $$;
