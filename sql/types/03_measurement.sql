-- Losses and accuracies at one point of the sample clock. A test compares these columns with
-- Swift's.
create type api.measurement as (
  samples bigint, epoch float8, updates bigint, batch bigint, learning_rate real,
  noise_scale float8, train_loss float8, train_accuracy float8, test_loss float8,
  test_accuracy float8, validation_loss float8, validation_accuracy float8, test_samples bigint,
  test_commonest bigint, above_guessing boolean, seconds float8, core_seconds float8,
  peak_memory_bytes bigint, gradient_square float8, gradient_variance float8,
  gradient_estimates bigint, gradient_probes bigint, probe_seconds float8, numbers jsonb);
