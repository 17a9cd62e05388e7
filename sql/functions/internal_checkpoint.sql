-- Registers a checkpoint file; registering it again gives the same row.
create or replace function api.internal_checkpoint(
  stage bigint, attempt_number int, checkpoint jsonb, is_final boolean) returns bigint
language sql set search_path = pg_catalog, jobs, pg_temp as $$
  insert into jobs.checkpoint(stage_id, attempt, store_id, file, samples, updates, final, bytes,
    digest, fingerprint, parameters_digest)
  values (stage, attempt_number, checkpoint ->> 'store', checkpoint ->> 'file',
    (checkpoint ->> 'samples')::bigint, (checkpoint ->> 'updates')::bigint, is_final,
    (checkpoint ->> 'bytes')::bigint, checkpoint ->> 'digest', checkpoint ->> 'fingerprint',
    checkpoint ->> 'parameters_digest')
  on conflict (store_id, file) do update set final = jobs.checkpoint.final or excluded.final
  returning id
$$;
