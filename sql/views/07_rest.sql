-- Attempts, workers, checkpoints and events, readable.
create or replace view report.attempt as
select a.stage_id, a.attempt, w.name as worker, a.claimed_at, a.ended_at, a.outcome, a.reason,
  a.updates_from, a.updates_to, a.seconds, a.threads, a.fingerprint, a.core_seconds,
  a.peak_memory_bytes, w.version, w.host, w.slots, a.log
from jobs.attempt a join jobs.worker w on w.id = a.worker_id;
comment on view report.attempt is 'Attempts: each claim of a stage, and how it ended.';

create or replace view report.worker as
select w.id, w.name as worker, w.host, w.pid, w.version, w.state, w.slots, w.threads, w.fingerprint,
  w.started_at, w.seen_at,
  (select count(*) from jobs.stage s where s.worker_id = w.id and s.state = 'running') as stages
from jobs.worker w;
comment on view report.worker is 'Workers, with the number of stages that they train.';

create or replace view report.checkpoint as
select c.id, c.stage_id, s.digest::text as stage_digest, c.attempt, c.store_id,
  t.path as store_path,
  c.file::text as file, c.samples, c.updates, c.final, c.bytes, c.digest::text as digest,
  c.parameters_digest::text as parameters_digest, c.fingerprint, c.created_at, c.damaged_at,
  c.removed_at, s.memory_bytes
from jobs.checkpoint c
join jobs.stage s on s.id = c.stage_id
join jobs.store t on t.id = c.store_id;
comment on view report.checkpoint is 'Checkpoint files and whether they are still valid.';

create or replace view report.event as
select e.id, e.at, e.actor, e.kind, g.name::text as grid, e.stage_id, w.name as worker, e.detail,
  e.grid_id
from jobs.event e
left join jobs.grid g on g.id = e.grid_id
left join jobs.worker w on w.id = e.worker_id;
comment on view report.event is 'Who did what, when.';

create or replace view report.queue as
select paused_at, paused_by, id::text as id from jobs.queue;
comment on view report.queue is
  'Whether the queue as a whole is paused, and the identity that its checkpoint stores record.';

create or replace view report.store as
select t.id::text as id, t.path, t.host, count(c.id) as checkpoints,
  coalesce(sum(c.bytes), 0)::bigint as bytes, (
    select coalesce(jsonb_agg(distinct w.host), '[]') from jobs.worker w
    where t.id::text = any (w.stores)) as hosts
from jobs.store t
left join jobs.checkpoint c
  on c.store_id = t.id and c.damaged_at is null and c.removed_at is null
group by t.id;
comment on view report.store is
  'Folders of checkpoint files, with the checkpoints in them that still count.';

create or replace view report.dataset as
select d.digest::text as digest, (
    select string_agg(distinct p.description ->> 'name', ', ')
    from jobs.dataset_place p where p.digest = d.digest) as name, (
    select p.description from jobs.dataset_place p where p.digest = d.digest
    order by p.description limit 1) as description, (
    select jsonb_agg(p.description order by p.description)
    from jobs.dataset_place p where p.digest = d.digest) as descriptions
from jobs.dataset d;
comment on view report.dataset is
  'Data sets that stages name by the digest of their content, as submissions have described them.';

create or replace view report.measurement as
select m.stage_id, m.samples, m.attempt, m.epoch, m.updates, m.batch,
  m.learning_rate::text::float8 as learning_rate,
  m.train_loss, m.train_accuracy, m.test_loss, m.test_accuracy, m.validation_loss,
  m.validation_accuracy, m.seconds, m.core_seconds, m.test_samples, m.test_commonest,
  m.above_guessing, m.numbers
from jobs.measurement m;
comment on view report.measurement is
  'Measurements of stages, each once; report.run_measurement has them by run.';

create or replace view report.submission as
select g.id, g.name::text as grid, g.priority, g.submitted_by, g.submitted_at, g.paused_at,
  g.document, g.class_names
from jobs.grid g;
comment on view report.submission is 'Grids as they were submitted; report.grid counts their runs.';
