-- Learning curves of a grid's settings, over their runs but the excluded ones: mean and deviation
-- over the seeds at each sample count.
create or replace function report.curve(grid_number bigint, excluded bigint[])
returns table(setting text, samples bigint, epoch float8, updates bigint, runs bigint, batch bigint,
  learning_rate float8, noise_scale float8, test_accuracy_mean float8,
  test_accuracy_deviation float8, train_loss_mean float8, train_loss_deviation float8,
  gradient_square float8, gradient_variance float8, gradient_estimates bigint,
  gradient_probes bigint, probe_seconds float8)
language sql stable as $$
  select m.setting, m.samples, min(m.epoch), min(m.updates), count(*), min(m.batch),
    min(m.learning_rate), min(m.noise_scale), avg(m.test_accuracy), stddev_samp(m.test_accuracy),
    avg(m.train_loss), stddev_samp(m.train_loss), avg(m.gradient_square),
    avg(m.gradient_variance), sum(m.gradient_estimates)::bigint, sum(m.gradient_probes)::bigint,
    sum(m.probe_seconds)
  from report.run_measurement m
  where m.grid_id = grid_number and m.run_id <> all (excluded)
  group by m.setting, m.samples
$$;
