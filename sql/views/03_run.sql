-- One row a run: what was asked, how far it is, and its final measurements.
create or replace view report.run as
select r.grid_id, g.name::text as grid, r.id as run_id, r.name::text as run, r.position,
  case
    when t.last_state = 'done' then 'finished'
    when r.cancelled_at is not null then 'cancelled'
    when t.diverged > 0 then 'diverged'
    when t.failed > 0 then 'failed'
    when t.parked > 0 then 'parked'
    when t.cancelled > 0 then 'cancelled'
    when t.running > 0 then 'running'
    else 'waiting'
  end as state,
  r.learning_rate::text::float8 as learning_rate, r.schedule, r.optimizer,
  r.variant::text as variant, r.seed, r.labels,
  t.stages, t.stages_done, r.updates as updates_planned, t.updates, t.updates_redone,
  r.epochs as epochs_planned, coalesce(m.epoch, 0) as epochs, r.samples as samples_planned,
  t.samples, m.test_accuracy, b.best as best_test_accuracy, m.test_loss, m.train_loss,
  m.train_accuracy, m.validation_accuracy, m.validation_loss, t.seconds,
  greatest(b.peak_memory_bytes, t.peak_memory_bytes) as peak_memory_bytes,
  t.parameters_digest, t.reason,
  r.setting,
  case
    when t.last_state = 'done' and not m.above_guessing then 'collapsed'
    when t.last_state = 'done' then 'finished'
    when t.diverged > 0 then 'diverged'
    when r.cancelled_at is null and t.failed + t.parked > 0 then 'failed'
    else 'missing'
  end as outcome,
  r.classes, r.samples_per_epoch, t.core_seconds, t.batch, t.batch_most, t.momentum,
  t.attempts, t.crashes, t.preemptions, t.fingerprints, m.test_samples, m.test_commonest
from jobs.run r
join jobs.grid g on g.id = r.grid_id
cross join lateral (
  select count(*) as stages, count(*) filter (where s.state = 'done') as stages_done,
    count(*) filter (where s.state = 'running') as running,
    count(*) filter (where s.state = 'diverged') as diverged,
    count(*) filter (where s.state = 'failed') as failed,
    count(*) filter (where s.state = 'parked') as parked,
    count(*) filter (where s.state = 'cancelled') as cancelled,
    (array_agg(s.state order by rs.position desc))[1] as last_state,
    (array_agg(c.parameters_digest::text order by rs.position desc))[1] as parameters_digest,
    coalesce(sum(a.reached), 0)::bigint as updates,
    coalesce(sum(a.executed - a.reached), 0)::bigint as updates_redone,
    coalesce(max(a.samples), 0)::bigint as samples,
    sum(a.seconds) as seconds, sum(a.core_seconds) as core_seconds,
    max(a.peak_memory_bytes) as peak_memory_bytes,
    (array_agg(s.batch order by rs.position))[1] as batch, max(s.batch) as batch_most,
    (array_agg(s.momentum::text::float8 order by rs.position))[1] as momentum,
    coalesce(sum(a.attempts), 0)::bigint as attempts, sum(s.crashes)::bigint as crashes,
    sum(s.preemptions)::bigint as preemptions, array_agg(distinct c.fingerprint) as fingerprints,
    max(s.reason) filter (where s.state in ('diverged', 'failed', 'parked')) as reason
  from jobs.run_stage rs
  join jobs.stage s on s.id = rs.stage_id
  left join jobs.checkpoint c on c.id = s.checkpoint_id
  left join lateral (
    select max(a.updates_to) as reached, sum(a.updates_to - a.updates_from) as executed,
      max(a.samples_to) as samples, max(a.seconds) as seconds, max(a.core_seconds) as core_seconds,
      max(a.peak_memory_bytes) as peak_memory_bytes, count(*) as attempts
    from jobs.attempt a where a.stage_id = s.id
  ) a on true
  where rs.run_id = r.id
) t
left join lateral (
  select m.* from jobs.run_stage rs join jobs.measurement m on m.stage_id = rs.stage_id
  where rs.run_id = r.id and m.samples <= r.samples order by m.samples desc limit 1
) m on true
left join lateral (
  select max(m.test_accuracy) as best, max(m.peak_memory_bytes) as peak_memory_bytes
  from jobs.run_stage rs join jobs.measurement m on m.stage_id = rs.stage_id
  where rs.run_id = r.id and m.samples <= r.samples
) b on true;
comment on view report.run is
  'Runs: updates counts each planned update once, updates_redone those done again after a crash. '
  'best_test_accuracy is optimistic: it is chosen on the test data. setting is what a run has in '
  'common with those of other seeds. outcome: finished, collapsed (ended with a test accuracy '
  'that is not above that of always guessing the commonest class of the test set, by a one-sided '
  'binomial test at 0.001), diverged, failed, or missing (not over, or cancelled).';
