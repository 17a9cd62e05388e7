-- Writes measurements; those that a crashed attempt had written are replaced.
create or replace function api.internal_measure(
  stage bigint, attempt_number int, measurements jsonb) returns void
language plpgsql as $$
#variable_conflict use_variable
begin
  insert into jobs.measurement(stage_id, samples, attempt, epoch, updates, batch, learning_rate,
    noise_scale, train_loss, train_accuracy, test_loss, test_accuracy, validation_loss,
    validation_accuracy, seconds, peak_memory_bytes, gradient_square, gradient_variance,
    gradient_estimates, gradient_probes, probe_seconds, core_seconds, test_samples,
    test_commonest, above_guessing, numbers)
  select stage, m.samples, attempt_number, m.epoch, m.updates, m.batch, m.learning_rate,
         m.noise_scale, m.train_loss, m.train_accuracy, m.test_loss, m.test_accuracy,
         m.validation_loss, m.validation_accuracy, m.seconds, m.peak_memory_bytes,
         m.gradient_square, m.gradient_variance, m.gradient_estimates, m.gradient_probes,
         m.probe_seconds, m.core_seconds, m.test_samples, m.test_commonest, m.above_guessing,
         m.numbers
  from jsonb_populate_recordset(null::api.measurement, coalesce(measurements, '[]')) m
  on conflict (stage_id, samples) do update
  set attempt = excluded.attempt, seconds = excluded.seconds,
      core_seconds = excluded.core_seconds,
      train_loss = excluded.train_loss, train_accuracy = excluded.train_accuracy,
      test_loss = excluded.test_loss, test_accuracy = excluded.test_accuracy,
      validation_loss = excluded.validation_loss,
      validation_accuracy = excluded.validation_accuracy,
      peak_memory_bytes = excluded.peak_memory_bytes, test_samples = excluded.test_samples,
      test_commonest = excluded.test_commonest, above_guessing = excluded.above_guessing,
      gradient_square = excluded.gradient_square,
      gradient_variance = excluded.gradient_variance,
      gradient_estimates = excluded.gradient_estimates,
      gradient_probes = excluded.gradient_probes, probe_seconds = excluded.probe_seconds,
      numbers = excluded.numbers;
end $$;
