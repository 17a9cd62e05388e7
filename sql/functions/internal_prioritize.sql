-- A stage has the highest priority among the live runs that want it.
create or replace function api.internal_prioritize(stages bigint[]) returns void
language sql set search_path = pg_catalog, jobs, api, pg_temp as $$
  select api.internal_lock(stages);
  update jobs.stage s set priority = w.priority
  from (
    select rs.stage_id, max(g.priority) as priority
    from jobs.run_stage rs
    join jobs.run r on r.id = rs.run_id and r.cancelled_at is null
    join jobs.grid g on g.id = r.grid_id
    where rs.stage_id = any (stages) group by rs.stage_id
  ) w
  where s.id = w.stage_id and s.priority <> w.priority
$$;
