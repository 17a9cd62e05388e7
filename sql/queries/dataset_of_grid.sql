-- The data sets of a grid's stages, as these name them, with the numerics versions that trained on
-- them.
create or replace function report.dataset_of_grid(grid_number bigint)
returns table(digest text, name text, numerics_version int)
language sql stable as $$
  select distinct s.dataset_digest, s.dataset, s.numerics_version
  from report.run_stage rs join report.stage s on s.id = rs.stage_id
  where rs.grid_id = grid_number and s.dataset_digest is not null
$$;
