-- Training samples of an epoch (N), as a stage was submitted with them.
create or replace function api.internal_samples_per_epoch(stage jobs.stage) returns bigint
language sql immutable parallel safe as $$
  select round((stage.end_samples - stage.start_samples) / nullif(stage.epochs, 0))::bigint
$$;
