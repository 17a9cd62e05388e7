-- Checkpoints of a grid's stages, or all.
create or replace function report.checkpoint_of(grid_number bigint)
returns table(id bigint, stage_id bigint, samples bigint, updates bigint, final boolean,
  bytes bigint, state text, file text)
language sql stable as $$
  select c.id, c.stage_id, c.samples, c.updates, c.final, c.bytes,
    case when c.removed_at is not null then 'removed'
      when c.damaged_at is not null then 'damaged' else 'valid' end, c.file
  from report.checkpoint c
  where grid_number is null or exists (
    select from report.run_stage rs where rs.stage_id = c.stage_id and rs.grid_id = grid_number)
  order by c.stage_id, c.samples
$$;
