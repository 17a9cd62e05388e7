-- The curve of every run: one row a measurement, over all of the run's stages.
create or replace view report.run_measurement as
select r.grid_id, g.name::text as grid, r.id as run_id, r.name::text as run, r.schedule,
  r.optimizer,
  r.variant::text as variant, r.seed,
  r.learning_rate::text::float8 as base_learning_rate, m.epoch, m.samples,
  m.updates, m.batch,
  m.learning_rate::text::float8 as learning_rate, m.noise_scale, m.train_loss, m.train_accuracy,
  m.test_loss,
  m.test_accuracy, m.validation_loss, m.validation_accuracy, m.seconds as stage_seconds,
  m.peak_memory_bytes, rs.position as stage_position, m.stage_id, m.gradient_square,
  m.gradient_variance, m.gradient_estimates, m.gradient_probes, m.probe_seconds,
  case when m.gradient_square > 0 then m.gradient_variance / m.gradient_square end
    as gradient_noise_scale,
  r.setting, m.core_seconds as stage_core_seconds, m.test_samples, m.test_commonest,
  m.above_guessing, m.numbers
from jobs.run r
join jobs.grid g on g.id = r.grid_id
join jobs.run_stage rs on rs.run_id = r.id
join jobs.measurement m on m.stage_id = rs.stage_id
where m.samples <= r.samples;
comment on view report.run_measurement is
  'Learning curves: epoch, samples and updates count from the start of training; batch and '
  'learning_rate are those of the update before; train_* are means since the measurement before. '
  'gradient_noise_scale is in samples (McCandlish et al. 2018), null where the estimate of the '
  'gradient''s square is not positive: average squares and variances first, then divide.';
