-- Where a stage goes on from: its newest valid checkpoint, or its parent's at the end.
create or replace function api.internal_resume(stage bigint) returns jobs.checkpoint
language sql stable set search_path = pg_catalog, jobs, pg_temp as $$
  select c.* from (
    select c.*, 1 as rank from jobs.checkpoint c
    where c.stage_id = stage and c.damaged_at is null and c.removed_at is null
    union all
    select c.*, 2 from jobs.stage s join jobs.stage p on p.id = s.parent_id
    join jobs.checkpoint c on c.id = p.checkpoint_id
    where s.id = stage and c.damaged_at is null and c.removed_at is null
  ) r join jobs.checkpoint c on c.id = r.id
  order by r.rank, r.samples desc, r.id desc limit 1
$$;
