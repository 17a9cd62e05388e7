-- Notes who did what. In plpgsql, like all that every write calls: it keeps its plans, where SQL
-- functions are planned anew each time.
create or replace function api.internal_event(
  kind text, grid bigint default null, run bigint default null, stage bigint default null,
  worker bigint default null, detail jsonb default null) returns boolean
language plpgsql as $$
begin
  insert into jobs.event(kind, grid_id, run_id, stage_id, worker_id, detail)
  values (kind, grid, run, stage, worker, detail);
  return true;
end $$;
