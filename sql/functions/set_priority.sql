-- Changes a grid's priority, and with it that of its stages.
create or replace function api.set_priority(grid text, priority int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  grid_number bigint;
  chain       bigint[];
begin
  perform api.internal_serialize();
  grid_number := api.internal_grid(grid);
  update jobs.grid g set priority = set_priority.priority where g.id = grid_number;
  chain := api.internal_chain(grid_number);
  perform api.internal_prioritize(chain);
  perform api.internal_disorder();
  perform api.internal_event('prioritized', grid => grid_number,
    detail => jsonb_build_object('priority', priority));
  return jsonb_build_object('stages', cardinality(chain));
end $$;
