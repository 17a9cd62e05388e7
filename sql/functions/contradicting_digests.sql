-- Stages that differ from the text of their digest; no function of the queue makes such stages. A
-- view calls a function with the rights of the role that reads the view. This function therefore
-- runs with the owner's rights, so that every role that may read views gets its rows.
create or replace function api.contradicting_digests()
returns table (what text, stage_id bigint)
language sql stable security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
  select 'a stage whose digest is not that of its text', s.id
  from jobs.stage s left join jobs.identity i on i.id = s.identity_id
  where s.identity_id is not null
    and s.digest is distinct from api.internal_digest(replace(i.text, chr(127), s.seed::text))
  union all
  -- Seeds aside, which the digest holds: one of each kind is looked at.
  select 'a stage that is not what its digest is taken of: '
    || api.internal_stage_flaw(s, p.document, i.text), s.id
  from (
    select min(id) as id from jobs.stage where identity_id is not null
    group by identity_id, spec_digest, dataset_digest, law, batch, ghost, start_samples,
      end_samples, start_updates + updates, epochs, learning_rate, learning_rate_end, momentum,
      noise_scale, noise_scale_exact, numerics_version, backend, preparation) kind
  join jobs.stage s on s.id = kind.id
  join jobs.identity i on i.id = s.identity_id
  join jobs.spec p on p.digest = s.spec_digest
  where api.internal_stage_flaw(s, p.document, i.text) is not null
  union all
  select 'a stage whose digest does not go on from its parent''s', kind.id
  from (
    select min(s.id) as id, s.identity_id, p.identity_id as parent_identity
    from jobs.stage s join jobs.stage p on p.id = s.parent_id
    group by s.identity_id, p.identity_id) kind
  join jobs.identity i on i.id = kind.identity_id
  join jobs.identity p on p.id = kind.parent_identity
  where not api.internal_goes_on(i.text, p.text)
  union all
  select 'a stage whose epochs have other samples than those of the same data', min(s.id)
  from jobs.stage s
  group by s.spec_digest
  having min(api.internal_samples_per_epoch(s)) <> max(api.internal_samples_per_epoch(s))
$$;
