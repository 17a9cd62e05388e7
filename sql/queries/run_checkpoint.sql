-- The checkpoints of a run's stages whose files are kept, and how far the run had come at each.
create or replace function report.run_checkpoint(grid_number bigint, run_name text)
returns table(file text, digest text, store_id text, memory_bytes bigint, epoch float8,
  epochs_planned float8, at_end boolean)
language sql stable as $$
  select c.file, c.digest, c.store_id, c.memory_bytes,
    c.samples::float8 / r.samples_per_epoch, r.samples_planned::float8 / r.samples_per_epoch,
    c.samples >= r.samples_planned
  from report.run r
  join report.run_stage rs on rs.run_id = r.run_id
  join report.checkpoint c on c.stage_id = rs.stage_id
  where r.grid_id = grid_number and r.run = run_name
    and c.removed_at is null and c.damaged_at is null
  order by c.samples, c.id
$$;
