-- Takes a planned grid: its runs, and the stages that they need, of which those that exist already
-- are reused. Submitting the same again changes nothing but revives what was cancelled.
create or replace function api.submit(document jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  wanted    jsonb := document -> 'grid';
  grid_row  jobs.grid;
  fresh     bigint[];
  chain     bigint[];
  revived   int;
  result    jsonb;
begin
  if (document ->> 'format')::int is distinct from 1 then
    raise exception 'this queue takes submissions of format 1' using errcode = 'JC004';
  end if;
  -- One submission at a time: two could otherwise make the same stage, or wait for each other.
  perform api.internal_serialize();
  select * into grid_row from jobs.grid g where g.name = wanted ->> 'name';
  if found then
    if grid_row.content_digest <> wanted ->> 'content_digest' then
      raise exception 'there is another grid named "%"', grid_row.name
        using errcode = 'JC001', hint = 'give this one another name, or delete that one first';
    end if;
    if (wanted ->> 'sets_priority')::boolean then
      update jobs.grid set priority = (wanted ->> 'priority')::int where id = grid_row.id;
    end if;
    return api.internal_resubmit(grid_row.id);
  end if;

  insert into jobs.spec(digest, document)
  select d ->> 'digest', d -> 'document' from jsonb_array_elements(document -> 'specs') d
  on conflict do nothing;
  insert into jobs.dataset(digest, description)
  select d ->> 'digest', d -> 'description' from jsonb_array_elements(document -> 'datasets') d
  on conflict do nothing;

  insert into jobs.grid(name, content_digest, document, priority)
  values (wanted ->> 'name', wanted ->> 'content_digest', wanted -> 'document',
    coalesce((wanted ->> 'priority')::int, 0))
  returning * into grid_row;

  drop table if exists pg_temp.planned_run, pg_temp.planned_stage, pg_temp.run_chain,
    pg_temp.new_stage;
  create temp table planned_run on commit drop as
    select * from jsonb_to_recordset(document -> 'runs') as r(
      name text, position int, seed bigint, labels jsonb, learning_rate real, schedule text,
      optimizer text, variant text, updates bigint, samples bigint, epochs float8, stages text[]);
  create temp table planned_stage on commit drop as
    select (row_number() over ())::int as place, s.* from jsonb_to_recordset(document -> 'stages')
    as s(digest text, parent text, spec text, dataset text, numerics_version int,
      memory_bytes bigint, pinned boolean, start_samples bigint, end_samples bigint,
      start_updates bigint,
      updates bigint, batch bigint, ghost bigint, learning_rate real, learning_rate_end real,
      law jsonb, momentum real, noise_scale float8, noise_scale_exact float8, epochs float8);

  insert into jobs.run(grid_id, name, position, seed, labels, learning_rate, schedule, optimizer,
    variant, updates, samples, epochs)
  select grid_row.id, name, position, seed, labels, learning_rate, schedule, optimizer, variant,
    updates, samples, epochs
  from pg_temp.planned_run;

  -- A run's chain: the deepest stage that exists already with its own ancestors, then new ones.
  create temp table run_chain on commit drop as
  with listed as (
    select r.id as run_id, c.digest, c.place::int, s.id as existing
    from pg_temp.planned_run p
    join jobs.run r on r.grid_id = grid_row.id and r.name = p.name
    cross join unnest(p.stages) with ordinality as c(digest, place)
    left join jobs.stage s on s.digest = c.digest
  ), deepest as (
    select run_id, max(place) as place from listed where existing is not null group by run_id
  )
  select l.run_id, l.digest, l.place, l.existing, d.place = l.place as is_deepest
  from listed l left join deepest d using (run_id)
  where d.place is null or l.place >= d.place;

  -- New stages, once each, parents before children; a stage that no run's chain needs is not made.
  create temp table new_stage on commit drop as
    select nextval(pg_get_serial_sequence('jobs.stage', 'id')) as id, p.* from (
      select * from pg_temp.planned_stage p
      where exists (select from pg_temp.run_chain c
                    where c.digest = p.digest and c.existing is null)
      order by p.place) p;
  insert into jobs.stage(id, digest, parent_id, spec_digest, dataset_digest, numerics_version,
    memory_bytes, pinned, state, priority, start_samples, end_samples, start_updates, updates,
    batch, ghost, learning_rate, learning_rate_end, law, momentum, noise_scale, noise_scale_exact,
    epochs)
  overriding system value
  select n.id, n.digest, coalesce(q.id, s.id), n.spec, n.dataset, n.numerics_version,
    n.memory_bytes, coalesce(n.pinned, false), 'blocked', grid_row.priority, n.start_samples,
    n.end_samples, n.start_updates,
    n.updates, n.batch, n.ghost, n.learning_rate, n.learning_rate_end, n.law, n.momentum,
    n.noise_scale, n.noise_scale_exact, n.epochs
  from pg_temp.new_stage n
  left join pg_temp.new_stage q on q.digest = n.parent
  left join jobs.stage s on s.digest = n.parent;
  select array_agg(id) into fresh from pg_temp.new_stage;

  update jobs.stage s set pinned = true
  from pg_temp.planned_stage p where p.pinned and p.digest = s.digest and not s.pinned;

  -- The chains: new stages, the deepest existing one, and its ancestors.
  with recursive above as (
    select c.run_id, s.id, s.parent_id, s.end_samples
    from pg_temp.run_chain c join jobs.stage s on s.digest = c.digest
    union
    select a.run_id, s.id, s.parent_id, s.end_samples
    from above a join jobs.stage s on s.id = a.parent_id
  )
  insert into jobs.run_stage(run_id, position, stage_id)
  select run_id, row_number() over (partition by run_id order by end_samples), id from above;

  chain := api.internal_chain(grid_row.id);
  revived := api.internal_revive(chain);
  perform api.internal_settle(api.internal_unearth(chain));
  perform api.internal_prioritize(chain);

  select jsonb_build_object('grid', grid_row.name, 'id', grid_row.id,
    'runs', (select count(*) from jobs.run where grid_id = grid_row.id),
    'stages', jsonb_build_object(
      'created', coalesce(cardinality(fresh), 0),
      'shared', (select count(*) from (select from jobs.run_stage rs
         join jobs.run r on r.id = rs.run_id where r.grid_id = grid_row.id
         group by rs.stage_id having count(*) > 1) several),
      'reused', cardinality(chain) - coalesce(cardinality(fresh), 0)),
    'unchanged', false, 'revived', revived,
    'failed', (select count(*) from jobs.stage where id = any (chain)
               and state in ('failed', 'parked')))
  into result;
  perform api.internal_event('submitted', grid => grid_row.id, detail => result);
  perform api.internal_disorder();
  perform api.internal_notify();
  return result;
end $$;
