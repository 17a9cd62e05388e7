-- Runs are cancelled; of their stages those that no live run wants.
create or replace function api.cancel(grid text, run text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  chosen      bigint[];
  touched     bigint[];
  result      jsonb;
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
  touched := array(select distinct rs.stage_id from jobs.run_stage rs
                   where rs.run_id = any (chosen));
  result := api.internal_cancel_unwanted(touched);
  perform api.internal_prioritize(touched);
  result := result || jsonb_build_object('runs', cardinality(chosen));
  perform api.internal_event('cancelled', grid => grid_number,
    detail => result || jsonb_build_object('run', cancel.run));
  perform api.internal_disorder();
  return result;
end $$;
