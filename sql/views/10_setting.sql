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
select g.id as grid_id, g.name::text as grid, c.setting, c.samples, c.epoch, c.updates, c.runs,
  c.batch, c.learning_rate, c.noise_scale, c.test_accuracy_mean, c.test_accuracy_deviation,
  c.train_loss_mean, c.train_loss_deviation, c.gradient_square, c.gradient_variance,
  c.gradient_estimates, c.gradient_probes, c.probe_seconds
from jobs.grid g cross join lateral report.curve(g.id, '{}') c;
comment on view report.setting_curve is
  'Learning curves of settings: mean and deviation over the seeds at each sample count. The '
  'gradient noise scale is gradient_variance / gradient_square where that is positive.';
