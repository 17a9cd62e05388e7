-- Stages by state, of one grid or of all, and whether anything is left to do.
create or replace function api.queue_state(grid text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  counts      jsonb;
  is_empty    boolean;
begin
  if grid is null then
    -- An index knows it all.
    with counted as (select state, count(*) as n from jobs.stage group by state)
    select jsonb_object_agg(state, n) into counts from counted;
    is_empty := not (coalesce(counts, '{}') ?| array['ready', 'running']);
  else
    grid_number := api.internal_grid(grid);
    with counted as (
      select s.state, count(*) as n from jobs.stage s
      where s.id in (
        select rs.stage_id from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
        where r.grid_id = grid_number)
      group by s.state)
    select jsonb_object_agg(state, n) into counts from counted;
    -- What is blocked below a parked or failed stage is an end; below one that is ready or runs it
    -- is able to become ready, and that one belongs to the same run. Only what live runs want
    -- counts: another grid may go on with what is cancelled here.
    is_empty := not (coalesce(counts, '{}') ?| array['ready', 'running']) or not exists (
      select from jobs.run r
      join jobs.run_stage rs on rs.run_id = r.id
      join jobs.stage s on s.id = rs.stage_id
      where r.grid_id = grid_number and r.cancelled_at is null
        and s.state in ('ready', 'running'));
  end if;
  return (select jsonb_object_agg(n.state, coalesce((counts ->> n.state)::bigint, 0))
          from unnest(array['blocked', 'ready', 'running', 'done', 'diverged', 'failed', 'parked',
            'skipped', 'cancelled']) n(state))
    || jsonb_build_object('empty', is_empty);
end $$;
