-- Reads the text of a stage's digest (Experiments/StageIdentity.swift), in which DEL stands for the
-- seed. `updates` counts from sample 0; `law` is the stage's own law, the last one. It returns a
-- set of one row, so that PostgreSQL plans it together with the query around it; with offset 0 the
-- text is parsed once.
create or replace function api.internal_identity(identity text)
returns table (numerics_version int, backend text, preparation int, spec jsonb, dataset text,
  ghost bigint, optimizer text, laws jsonb, law jsonb, batch bigint, end_samples bigint,
  updates bigint)
language sql immutable as $$
  select (j ->> 'numerics_version')::int, j ->> 'backend', (j ->> 'preparation')::int,
    (j -> 'training') - 'seed', j #>> '{training,dataset_digest}',
    (j #>> '{training,ghost}')::bigint, j #>> '{training,optimizer,name}',
    j -> 'laws', j #> '{laws,-1,law}', (j #>> '{laws,-1,law,batch}')::bigint,
    (j #>> '{laws,-1,until}')::bigint,
    (select sum((until - before) / batch)::bigint from api.internal_laws(j -> 'laws'))
  from (select replace(identity, chr(127), '0')::jsonb as j offset 0) content
$$;
