-- Stages by state, of one grid or of all, and whether anything is left to do.
create or replace function api.queue_state(grid text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint := case when grid is not null then api.internal_grid(grid) end;
  counts      jsonb;
  able        bigint;
begin
  with wanted as (
    select s.id, s.state from jobs.stage s
    where grid_number is null or s.id in (
      select rs.stage_id from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
      where r.grid_id = grid_number)
  )
  select jsonb_object_agg(n.state, coalesce(c.count, 0)) into counts
  from unnest(array['blocked', 'ready', 'running', 'done', 'diverged', 'failed', 'parked',
    'skipped', 'cancelled']) n(state)
  left join (select state, count(*) from wanted group by state) c using (state);
  -- What is ready or runs, and what is blocked below it; below a parked or failed stage is an end.
  -- Of a grid: what its live runs want. Another grid may go on with what is cancelled here.
  with recursive live as (
    select s.id from jobs.stage s where s.state in ('ready', 'running') and (
      grid_number is null or s.id in (
        select rs.stage_id from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
        where r.grid_id = grid_number and r.cancelled_at is null))
    union
    select s.id from jobs.stage s join live l on s.parent_id = l.id where s.state = 'blocked'
  )
  select count(*) into able from live;
  return counts || jsonb_build_object('able', able, 'empty', able = 0);
end $$;
