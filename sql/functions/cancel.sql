-- Runs are cancelled; of their stages those that no live run wants.
create or replace function api.cancel(grid text, run text default null) returns jsonb
language plpgsql set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  chosen      bigint[];
  unwanted    bigint[];
begin
  perform api.internal_serialize();
  grid_number := api.internal_grid(grid);
  with hit as (
    update jobs.run r set cancelled_at = clock_timestamp()
    where r.grid_id = grid_number and (cancel.run is null or r.name = cancel.run)
      and r.cancelled_at is null and not exists (
        select from jobs.run_stage rs join jobs.stage s on s.id = rs.stage_id
        where rs.run_id = r.id and s.state = 'done' and s.end_samples >= r.samples)
    returning r.id
  )
  select coalesce(array_agg(id), '{}') into chosen from hit;
  if cancel.run is not null and not exists (
    select from jobs.run r where r.grid_id = grid_number and r.name = cancel.run) then
    raise exception 'grid "%" has no run "%"', grid, cancel.run using errcode = 'JC002';
  end if;
  with doomed as (
    select s.id from jobs.stage s
    where s.state in ('blocked', 'ready', 'running', 'skipped')
      and s.id in (select rs.stage_id from jobs.run_stage rs where rs.run_id = any (chosen))
      and not exists (select from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
                      where rs.stage_id = s.id and r.cancelled_at is null)
    order by s.id for no key update
  )
  select coalesce(array_agg(id), '{}') into unwanted from doomed;
  perform api.internal_end_attempt(s.id, s.attempt, 'cancelled', 'no live run wants it', null)
  from jobs.stage s where s.id = any (unwanted) and s.state = 'running' order by s.id;
  update jobs.stage set state = 'cancelled', worker_id = null where id = any (unwanted);
  perform api.internal_prioritize(array(
    select rs.stage_id from jobs.run_stage rs where rs.run_id = any (chosen)));
  perform api.internal_event('cancelled', grid => grid_number, detail => jsonb_build_object(
    'run', cancel.run, 'runs', cardinality(chosen), 'stages', cardinality(unwanted)));
  return jsonb_build_object('runs', cardinality(chosen), 'stages', cardinality(unwanted));
end $$;
