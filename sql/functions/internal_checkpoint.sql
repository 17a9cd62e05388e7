-- Registers a checkpoint file, under a number that was drawn for it if there is one; registering it
-- again gives the same row. A file that no longer counts is an error, and so is a name that the
-- stage and the attempt do not make: with it a login could have another file removed.
create or replace function api.internal_checkpoint(
  stage bigint, attempt_number int, said jsonb, is_final boolean, drawn bigint default null)
returns bigint
language plpgsql as $$
#variable_conflict use_variable
declare
  checkpoint api.checkpoint := jsonb_populate_record(null::api.checkpoint, said);
  found_id   bigint;
begin
  if coalesce(checkpoint.file, '') !~
    format('^stage-%s-attempt-%s-[A-Za-z0-9.-]+$', stage, attempt_number)
  then
    raise exception 'attempt % of stage % cannot register the file "%"', attempt_number, stage,
      left(checkpoint.file, 100) using errcode = 'JC004',
      hint = format('its files begin with stage-%s-attempt-%s-', stage, attempt_number);
  end if;
  insert into jobs.checkpoint(id, stage_id, attempt, store_id, file, samples, updates, final,
    bytes, digest, fingerprint, parameters_digest)
  overriding system value
  select coalesce(drawn, nextval('jobs.checkpoint_id_seq')), stage, attempt_number, t.id,
    checkpoint.file, checkpoint.samples, checkpoint.updates, is_final, checkpoint.bytes,
    checkpoint.digest, checkpoint.fingerprint, checkpoint.parameters_digest
  from jobs.store t where t.id = checkpoint.store
  on conflict (store_id, file) do update set final = jobs.checkpoint.final or excluded.final
  where jobs.checkpoint.stage_id = stage and jobs.checkpoint.damaged_at is null
    and jobs.checkpoint.removed_at is null
  returning id into found_id;
  if found_id is null then
    if not exists (select from jobs.store t where t.id = checkpoint.store) then
      raise exception 'there is no checkpoint store "%"', checkpoint.store
        using errcode = 'JC002', hint = 'register it with api.register_store first';
    end if;
    raise exception 'the checkpoint file % cannot be registered', checkpoint.file
      using errcode = 'JC004';
  end if;
  return found_id;
end $$;
