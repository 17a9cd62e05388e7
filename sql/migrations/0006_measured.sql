-- The gradient noise scale of McCandlish et al. (2018), by what it is the ratio of.
alter table jobs.measurement
  add column gradient_square float8,
  add column gradient_variance float8,
  add column gradient_estimates bigint,
  add column gradient_probes bigint,
  add column probe_seconds float8;
comment on column jobs.measurement.gradient_square is
  'Mean estimate of the true gradient''s squared norm since the measurement before; unbiased.';
comment on column jobs.measurement.gradient_variance is
  'Mean estimate of the trace of one sample''s gradient covariance; unbiased.';
comment on column jobs.measurement.gradient_probes is
  'Of the estimates, those by extra gradients that trained nothing; they took probe_seconds.';

-- Seconds of training, each once a core.
alter table jobs.measurement add column core_seconds float8;
alter table jobs.attempt add column core_seconds float8 not null default 0;

-- What a run's results are judged by: a loss of ln(classes) is that of guessing.
alter table jobs.run
  add column classes int,
  add column samples_per_epoch bigint,
  add column setting text not null default '';
comment on column jobs.run.setting is
  'What it has in common with runs of other seeds: the axes'' values but the seed''s.';
update jobs.run set setting = regexp_replace(name, ',?seed=[0-9]+$', '');
