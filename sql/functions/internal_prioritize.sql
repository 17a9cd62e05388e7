-- A stage has the highest priority among the live runs that want it, and is held while all of these
-- belong to paused grids.
create or replace function api.internal_prioritize(stages bigint[]) returns void
language sql as $$
  select api.internal_lock(stages);
  update jobs.stage s set priority = w.priority, held = w.held
  from (
    select rs.stage_id, max(g.priority) as priority, bool_and(g.paused_at is not null) as held
    from jobs.run_stage rs
    join jobs.run r on r.id = rs.run_id and r.cancelled_at is null
    join jobs.grid g on g.id = r.grid_id
    where rs.stage_id = any (stages) group by rs.stage_id
  ) w
  where s.id = w.stage_id and (s.priority, s.held) is distinct from (w.priority, w.held)
$$;
