-- Data sets that a live worker cannot open and that stages want, of a grid or of all: ten at most.
create or replace function report.data_wanted(grid_number bigint)
returns table(name text, path text, worker text, reason text, stages bigint)
language sql stable as $$
  select m.name, m.path, m.worker, m.reason, m.stages from report.missing_data m
  where m.stages > 0 and m.seen_at > now() - interval '5 minutes'
    and (grid_number is null or exists (
      select from report.run_stage rs join report.stage s on s.id = rs.stage_id
      where rs.grid_id = grid_number and s.dataset_digest = m.digest))
  order by m.stages desc, m.worker limit 10
$$;
