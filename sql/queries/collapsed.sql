-- How many finished runs collapsed, of a grid or of all. Few measurements are not above guessing,
-- and an index has them: only the runs of these are asked for their outcome.
create or replace function report.collapsed(grid_number bigint) returns table(runs bigint)
language sql stable as $$
  select count(*) from report.run r
  where r.outcome = 'collapsed' and (grid_number is null or r.grid_id = grid_number)
    and r.run_id in (
      select rs.run_id from report.measurement m
      join report.run_stage rs on rs.stage_id = m.stage_id
      where not m.above_guessing and (grid_number is null or rs.grid_id = grid_number))
$$;
