-- The stages that the runs of a grid consist of.
create or replace function api.internal_chain(grid bigint) returns bigint[]
language sql stable as $$
  select coalesce(array_agg(distinct rs.stage_id), '{}')
  from jobs.run_stage rs join jobs.run r on r.id = rs.run_id where r.grid_id = grid
$$;
