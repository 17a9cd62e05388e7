-- Runs that differ in the seed alone. Means are over those that trained: finished, not collapsed.
create or replace view report.setting as
select r.grid_id, r.grid, r.setting, min(r.position) as position, r.optimizer, r.variant,
  r.schedule, r.learning_rate, min(r.batch) as batch, max(r.batch_most) as batch_most,
  min(r.momentum) as momentum, count(*) as runs,
  count(*) filter (where r.outcome = 'finished') as finished,
  count(*) filter (where r.outcome = 'collapsed') as collapsed,
  count(*) filter (where r.outcome = 'diverged') as diverged,
  count(*) filter (where r.outcome = 'failed') as failed,
  count(*) filter (where r.outcome = 'missing') as missing,
  avg(r.test_accuracy) filter (where r.outcome = 'finished') as test_accuracy_mean,
  stddev_samp(r.test_accuracy) filter (where r.outcome = 'finished') as test_accuracy_deviation,
  avg(r.validation_accuracy) filter (where r.outcome = 'finished') as validation_accuracy_mean,
  max(r.updates_planned) as updates, max(r.samples_planned) as samples,
  avg(r.seconds) filter (where r.outcome = 'finished') as seconds_mean,
  avg(r.core_seconds) filter (where r.outcome = 'finished') as core_seconds_mean,
  max(r.peak_memory_bytes) as peak_memory_bytes
from report.run r
group by r.grid_id, r.grid, r.setting, r.optimizer, r.variant, r.schedule, r.learning_rate;
comment on view report.setting is
  'Settings: runs that differ in the seed alone, k of n by outcome, and means of those that '
  'trained.';

create or replace view report.setting_curve as
select m.grid_id, m.grid, m.setting, m.samples,
  min(m.epoch) as epoch, min(m.updates) as updates, count(*) as runs,
  min(m.batch) as batch, min(m.learning_rate) as learning_rate, min(m.noise_scale) as noise_scale,
  avg(m.test_accuracy) as test_accuracy_mean,
  stddev_samp(m.test_accuracy) as test_accuracy_deviation,
  avg(m.train_loss) as train_loss_mean, stddev_samp(m.train_loss) as train_loss_deviation,
  avg(m.gradient_square) as gradient_square, avg(m.gradient_variance) as gradient_variance,
  sum(m.gradient_estimates)::bigint as gradient_estimates,
  sum(m.gradient_probes)::bigint as gradient_probes, sum(m.probe_seconds) as probe_seconds
from report.run_measurement m
group by m.grid_id, m.grid, m.setting, m.samples;
comment on view report.setting_curve is
  'Learning curves of settings: mean and deviation over the seeds at each sample count. The '
  'gradient noise scale is gradient_variance / gradient_square where that is positive.';
