-- Stores that no worker has, with the number of ready stages that wait for them, of a grid or of
-- all.
create or replace function report.out_of_reach(grid_number bigint)
returns table(store text, path text, host text, stages bigint)
language sql stable as $$
  select o.store, o.path, o.host, count(*) from report.stage_out_of_reach o
  where grid_number is null or exists (
    select from report.run_stage rs where rs.stage_id = o.stage_id and rs.grid_id = grid_number)
  group by o.store, o.path, o.host order by o.store
$$;
