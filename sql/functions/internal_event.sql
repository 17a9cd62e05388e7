-- Notes who did what.
create or replace function api.internal_event(
  kind text, grid bigint default null, run bigint default null, stage bigint default null,
  worker bigint default null, detail jsonb default null) returns void
language sql as $$
  insert into jobs.event(kind, grid_id, run_id, stage_id, worker_id, detail)
  values (kind, grid, run, stage, worker, detail)
$$;
