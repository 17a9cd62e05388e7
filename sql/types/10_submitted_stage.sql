-- A stage of a submission, whatever the seed. A test compares these columns with Swift's.
create type api.submitted_stage as (
  number int, setting int, parent int, spec text, dataset text, numerics_version int,
  memory_bytes bigint, pinned boolean, start_samples bigint, end_samples bigint,
  start_updates bigint, updates bigint, batch bigint, ghost bigint, learning_rate real,
  learning_rate_end real, law jsonb, momentum real, noise_scale float8, noise_scale_exact float8,
  epochs float8, backend text, preparation int, probe jsonb);
