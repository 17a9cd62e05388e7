-- Changes a grid's priority, and with it that of its stages.
create or replace function api.set_priority(grid text, priority int) returns jsonb
language plpgsql set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  chain       bigint[];
begin
  perform api.internal_serialize();
  grid_number := api.internal_grid(grid);
  update jobs.grid g set priority = set_priority.priority where g.id = grid_number;
  select coalesce(array_agg(distinct rs.stage_id), '{}') into chain
  from jobs.run_stage rs join jobs.run r on r.id = rs.run_id where r.grid_id = grid_number;
  perform api.internal_prioritize(chain);
  perform api.internal_event('prioritized', grid => grid_number,
    detail => jsonb_build_object('priority', priority));
  return jsonb_build_object('stages', cardinality(chain));
end $$;
