-- The data sets of a grid's stages, with the numerics versions that trained on them.
create or replace function report.dataset_of_grid(grid_number bigint)
returns table(digest text, name text, numerics_version int)
language sql stable as $$
  select distinct d.digest, d.name, s.numerics_version
  from report.run_stage rs join report.stage s on s.id = rs.stage_id
  left join report.dataset d on d.digest = s.dataset_digest where rs.grid_id = grid_number
$$;
