-- The data sets of a grid's stages, as these name them, with the numerics versions that trained on
-- them, and the names of their classes as a JSON array, where the submission gave them.
create or replace function report.dataset_of_grid(grid_number bigint)
returns table(digest text, name text, numerics_version int, class_names jsonb)
language sql stable as $$
  select distinct s.dataset_digest, s.dataset, s.numerics_version,
    g.class_names -> s.dataset_digest
  from report.run_stage rs
  join report.stage s on s.id = rs.stage_id
  join report.submission g on g.id = rs.grid_id
  where rs.grid_id = grid_number and s.dataset_digest is not null
$$;
