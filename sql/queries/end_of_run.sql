-- The checkpoint at a run's end, where the run has got there and the file is kept.
create or replace function report.end_of_run(grid_number bigint, run_name text)
returns table(file text, digest text, store_id text, memory_bytes bigint)
language sql stable as $$
  select c.file, c.digest, c.store_id, c.memory_bytes from report.run r
  join report.run_stage rs on rs.run_id = r.run_id
  join report.stage s on s.id = rs.stage_id
  join report.checkpoint c on c.id = s.checkpoint_id
  where r.grid_id = grid_number and r.run = run_name and s.end_samples >= r.samples_planned
    and c.removed_at is null
$$;
