-- Rows that contradict each other. No function makes such rows: empty where all is well.
create or replace view report.contradiction as
select 'a ready stage whose parent is not done' as what, s.id as stage_id
from jobs.stage s join jobs.stage p on p.id = s.parent_id
where s.state = 'ready' and p.state <> 'done'
union all
select 'a blocked stage whose parent is done', s.id
from jobs.stage s left join jobs.stage p on p.id = s.parent_id
where s.state = 'blocked' and (p.id is null or p.state = 'done')
union all
select 'a blocked stage below one that can not be done any more', s.id
from jobs.stage s join jobs.stage p on p.id = s.parent_id
where s.state = 'blocked' and p.state in ('diverged', 'failed', 'skipped')
union all
select 'a stage that begins with nothing and not at the start', s.id
from jobs.stage s where s.parent_id is null and s.start_samples <> 0
union all
select 'a stage whose parent does not exist', s.id
from jobs.stage s
where s.parent_id is not null and not exists (select from jobs.stage p where p.id = s.parent_id)
union all
select 'a running stage without an open attempt', s.id
from jobs.stage s left join jobs.attempt a on a.stage_id = s.id and a.attempt = s.attempt
where s.state = 'running' and (a.stage_id is null or a.ended_at is not null)
union all
select 'an open attempt of a stage that does not run', s.id
from jobs.attempt a join jobs.stage s on s.id = a.stage_id
where a.ended_at is null and (s.state <> 'running' or s.attempt <> a.attempt)
union all
select 'a cancelled stage that a live run wants', s.id
from jobs.stage s
where s.state = 'cancelled' and exists (
  select from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
  where rs.stage_id = s.id and r.cancelled_at is null)
union all
select 'a stage that may be trained and has nothing to go on from', s.id
from jobs.stage s join jobs.stage p on p.id = s.parent_id
left join jobs.checkpoint c on c.id = p.checkpoint_id
where s.state = 'ready' and (c.id is null or c.removed_at is not null or c.damaged_at is not null)
  and not exists (select from jobs.checkpoint o where o.stage_id = s.id and o.removed_at is null
                  and o.damaged_at is null)
union all
select 'a done stage whose checkpoint is not of its end', s.id
from jobs.stage s join jobs.checkpoint c on c.id = s.checkpoint_id
where s.state = 'done' and (c.stage_id <> s.id or c.samples <> s.end_samples or not c.final)
union all
select 'a run''s stage that does not exist', rs.stage_id
from jobs.run_stage rs left join jobs.stage s on s.id = rs.stage_id
left join jobs.run r on r.id = rs.run_id
where s.id is null or r.id is null
union all
select 'an attempt of no stage', a.stage_id
from jobs.attempt a left join jobs.stage s on s.id = a.stage_id where s.id is null
union all
select 'a checkpoint of no stage', c.stage_id
from jobs.checkpoint c left join jobs.stage s on s.id = c.stage_id where s.id is null
union all
select 'an attempt that ended in no known way', a.stage_id
from jobs.attempt a
where a.outcome not in ('finished', 'diverged', 'failed', 'crashed', 'preempted', 'cancelled',
  'damaged')
union all
select 'an attempt of nobody', a.stage_id
from jobs.attempt a left join jobs.worker w on w.id = a.worker_id where w.id is null
union all
select 'a checkpoint in no store', c.stage_id
from jobs.checkpoint c left join jobs.store t on t.id = c.store_id where t.id is null
union all
select 'a run whose stages do not follow each other', rs.stage_id
from jobs.run_stage rs join jobs.stage s on s.id = rs.stage_id
left join jobs.run_stage before on before.run_id = rs.run_id and before.position = rs.position - 1
where before.stage_id is distinct from s.parent_id
union all
select 'a run of no grid', rs.stage_id
from jobs.run r left join jobs.run_stage rs on rs.run_id = r.id and rs.position = 1
where not exists (select from jobs.grid g where g.id = r.grid_id)
union all
select 'a stage of no spec or of no data set', s.id
from jobs.stage s
where not exists (select from jobs.spec p where p.digest = s.spec_digest)
  or s.dataset_digest is not null
    and not exists (select from jobs.dataset d where d.digest = s.dataset_digest)
union all
select 'a stage that does not begin where its parent ends', s.id
from jobs.stage s join jobs.stage p on p.id = s.parent_id
where s.start_samples <> p.end_samples or s.start_updates <> p.start_updates + p.updates
union all
select what, stage_id from api.contradicting_digests();
comment on view report.contradiction is
  'Rows that contradict each other, which no function makes; empty where all is well.';
