-- Takes what the stages of a submission train from the texts of their digests, into
-- pg_temp.stage_content, and refuses a stage that its text contradicts.
create or replace function api.internal_contents() returns void
language plpgsql as $$
declare
  stage int;
  flaw  text;
begin
  select f.number, f.flaw into stage, flaw
  from (
    select t.number, coalesce(api.internal_identity_flaw(t.identity), case
        when t.parent is null and jsonb_array_length(i.laws) > 1 then 'it has no parent'
        when t.parent is not null and not api.internal_goes_on(t.identity, p.identity)
          then 'it does not go on from its parent'
        when api.internal_is_law(t.law, i.law) is not true then 'its law is another'
        when api.internal_rate(t.law, i.end_samples - i.batch) is null
          then 'its law has no learning rate'
        when api.internal_trained_spec(s.document::jsonb) is distinct from i.spec
          then 'its spec is another'
      end) as flaw
    from pg_temp.submitted_stage t
    cross join lateral api.internal_identity(t.identity) i
    left join pg_temp.submitted_stage p on p.number = t.parent
    left join pg_temp.submitted_spec s on api.internal_digest(s.document) = t.spec) f
  where f.flaw is not null
  order by f.number limit 1;
  if found then
    raise exception 'stage % is not what its digest is taken of: %', stage, flaw
      using errcode = 'JC004';
  end if;

  drop table if exists pg_temp.stage_content, pg_temp.stage_digest;
  create temp table stage_content on commit drop as
    select t.number, api.internal_digest(t.identity) as identity, i.numerics_version, i.backend,
      i.preparation, i.dataset, coalesce(p.end_samples, 0) as start_samples, i.end_samples,
      coalesce(p.updates, 0) as start_updates, i.updates - coalesce(p.updates, 0) as updates,
      i.batch, least(i.ghost, i.batch) as ghost,
      f.learning_rate, f.learning_rate_end, f.momentum, f.noise_scale, f.noise_scale_exact,
      g.samples_per_epoch
    from pg_temp.submitted_stage t
    join pg_temp.submitted_setting g on g.number = t.setting
    cross join lateral api.internal_identity(t.identity) i
    left join pg_temp.submitted_stage s on s.number = t.parent
    left join lateral api.internal_identity(s.identity) p on true
    cross join lateral api.internal_law_figures(t.law, i.optimizer, coalesce(p.end_samples, 0),
      i.end_samples, g.samples_per_epoch) f;
  create temp table stage_digest on commit drop as
    select t.number as stage, d.number as seed,
      api.internal_digest(replace(t.identity, chr(127), d.seed::text)) as digest
    from pg_temp.submitted_stage t cross join pg_temp.submitted_seed d;
  analyze pg_temp.stage_content, pg_temp.stage_digest;
end $$;
