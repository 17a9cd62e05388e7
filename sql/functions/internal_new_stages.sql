-- Makes the stages that a submission needs and that do not exist, once each, parents before
-- children; one that no run's chain needs is not made. Leaves three tables until the commit:
-- known_stage (those that exist), deepest (of each run, the latest that does) and new_stage.
create or replace function api.internal_new_stages(grid_priority int) returns void
language plpgsql as $$
declare
  first bigint;
begin
  drop table if exists pg_temp.known_stage, pg_temp.chain_link, pg_temp.deepest, pg_temp.covered,
    pg_temp.new_stage;
  create temp table known_stage on commit drop as
    select d.stage, d.seed, s.id
    from pg_temp.stage_digest d join jobs.stage s on s.digest = d.digest;
  perform api.internal_recognize();
  create temp table chain_link on commit drop as
    select g.number as setting, c.position::int, c.stage
    from pg_temp.submitted_setting g
    cross join unnest(g.chain) with ordinality as c(stage, position);
  analyze pg_temp.known_stage, pg_temp.chain_link;
  create temp table deepest on commit drop as
    select distinct on (c.setting, k.seed) c.setting, k.seed, c.position, k.id
    from pg_temp.known_stage k join pg_temp.chain_link c on c.stage = k.stage
    order by c.setting, k.seed, c.position desc;
  -- Links of chains that the deepest stage of their run makes superfluous.
  create temp table covered on commit drop as
    select c.stage, p.seed, count(*) as links
    from pg_temp.chain_link c
    join pg_temp.deepest p on p.setting = c.setting and c.position <= p.position
    group by c.stage, p.seed;
  analyze pg_temp.deepest, pg_temp.covered;

  first := api.internal_reserve('jobs.stage', (select count(*) from pg_temp.stage_digest));
  create temp table new_stage on commit drop as
    select first - 1 + row_number() over (order by t.setting, d.seed, t.number) as id,
      d.stage, d.seed, d.digest
    from pg_temp.stage_digest d
    join pg_temp.submitted_stage t on t.number = d.stage
    join (select stage, count(*) as links from pg_temp.chain_link group by stage) l
      on l.stage = d.stage
    left join pg_temp.covered v on v.stage = d.stage and v.seed = d.seed
    where l.links > coalesce(v.links, 0) and not exists (
      select from pg_temp.known_stage k where k.stage = d.stage and k.seed = d.seed);
  analyze pg_temp.new_stage;

  insert into jobs.stage(id, digest, seed, parent_id, spec_digest, dataset_digest,
    numerics_version, memory_bytes, pinned, state, priority, start_samples, end_samples,
    start_updates, updates, batch, ghost, learning_rate, learning_rate_end, law, momentum,
    noise_scale, noise_scale_exact, epochs, backend, preparation, probe, identity_id)
  overriding system value
  select n.id, n.digest, n.seed, n.parent, t.spec, c.dataset, c.numerics_version,
    t.memory_bytes, coalesce(t.pinned, false),
    case when n.is_parent_new then 'blocked' when n.parent is not null
      then api.internal_place(n.parent) else 'ready' end,
    grid_priority, c.start_samples, c.end_samples, c.start_updates, c.updates, c.batch, c.ghost,
    c.learning_rate, c.learning_rate_end, t.law, c.momentum, c.noise_scale, c.noise_scale_exact,
    (c.end_samples - c.start_samples) / c.samples_per_epoch::float8, c.backend, c.preparation,
    t.probe, i.id
  from (
    -- They are sorted here, while their rows are short: a table in the order of its numbers is read
    -- from end to end by claims.
    select n.id, n.digest, d.seed, n.stage, coalesce(p.id, k.id) as parent,
      p.id is not null as is_parent_new
    from pg_temp.new_stage n
    join pg_temp.submitted_stage t on t.number = n.stage
    join pg_temp.submitted_seed d on d.number = n.seed
    left join pg_temp.new_stage p on p.stage = t.parent and p.seed = n.seed
    left join pg_temp.known_stage k on k.stage = t.parent and k.seed = n.seed
    order by n.id) n
  join pg_temp.submitted_stage t on t.number = n.stage
  join pg_temp.stage_content c on c.number = n.stage
  join jobs.identity i on i.digest = c.identity;

  update jobs.stage s set pinned = true
  from pg_temp.known_stage k join pg_temp.submitted_stage t on t.number = k.stage
  where t.pinned and s.id = k.id and not s.pinned;
end $$;
