-- Makes runs and stages of what was copied since open_submission: stages that exist already are
-- reused.
create or replace function api.close_submission() returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp
  -- A million runs are sorted and joined in memory; small submissions do not take it.
  set work_mem = '64MB' as $$
declare
  header      jsonb := api.internal_submitted();
  grid_number bigint;
  grid_row    jobs.grid;
  run_count   bigint;
  seed_count  bigint;
  first_run   bigint;
  known       bigint[];
  revived     int;
  result      jsonb;
begin
  -- One submission at a time: two could otherwise make the same stage, or wait for each other.
  perform api.internal_serialize();
  result := api.internal_resubmit(header);
  if result is not null then return result; end if;

  insert into jobs.dataset(digest)
  select d ->> 'digest' from jsonb_array_elements(header -> 'datasets') d
  on conflict do nothing;
  insert into jobs.dataset_place(digest, description)
  select d ->> 'digest', d -> 'description' from jsonb_array_elements(header -> 'datasets') d
  on conflict do nothing;
  insert into jobs.grid(name, content_digest, document, priority, class_names)
  values (header ->> 'name', header ->> 'content_digest', header -> 'document',
    coalesce((header ->> 'priority')::int, 0), (
      select jsonb_object_agg(d ->> 'digest', d -> 'class_names')
      from jsonb_array_elements(header -> 'datasets') d
      where jsonb_typeof(d -> 'class_names') = 'array'))
  returning * into grid_row;
  grid_number := grid_row.id;
  select count(*) into seed_count from pg_temp.submitted_seed;
  select count(*) * seed_count into run_count from pg_temp.submitted_setting;
  insert into jobs.spec(digest, document)
  select api.internal_digest(document), document::jsonb from pg_temp.submitted_spec
  on conflict do nothing;
  insert into jobs.identity(digest, text)
  select distinct on (c.identity) c.identity, t.identity
  from pg_temp.stage_content c join pg_temp.submitted_stage t on t.number = c.number
  on conflict do nothing;

  first_run := api.internal_reserve('jobs.run', run_count);
  insert into jobs.run(id, grid_id, name, position, seed, labels, learning_rate, schedule,
    optimizer, variant, updates, samples, epochs, classes, samples_per_epoch,
    setting)
  overriding system value
  select first_run + r.position, grid_number,
    concat_ws(',', nullif(g.name, ''), 'seed=' || r.seed), r.position,
    r.seed, g.labels || jsonb_build_object('seed', r.seed), g.learning_rate, g.schedule,
    g.optimizer, g.variant, c.start_updates + c.updates, c.end_samples,
    c.end_samples / g.samples_per_epoch::float8, g.classes, g.samples_per_epoch,
    coalesce(g.name, '')
  from (
    -- They are sorted here, while their rows are short.
    select g.number, d.seed, g.number * seed_count + d.number as position
    from pg_temp.submitted_setting g cross join pg_temp.submitted_seed d
    order by position) r
  join pg_temp.submitted_setting g on g.number = r.number
  join pg_temp.stage_content c on c.number = g.chain[cardinality(g.chain)];

  perform api.internal_new_stages(grid_row.priority);
  known := api.internal_new_chains(first_run, seed_count);
  if cardinality(known) > 0 then
    revived := api.internal_revive(known);
    -- What is new stands below them, at whatever depth.
    perform api.internal_settle(api.internal_train_again(known || array(
      with recursive below as (
        select s.id from pg_temp.new_stage n join jobs.stage s on s.id = n.id
        where s.parent_id = any (known)
        union
        select s.id from jobs.stage s join below b on s.parent_id = b.id
      ) select id from below)));
    perform api.internal_prioritize(known);
  end if;

  select jsonb_build_object('grid', grid_row.name, 'id', grid_number, 'runs', run_count,
    'stages', jsonb_build_object(
      'created', (select count(*) from pg_temp.new_stage),
      'shared', (select count(*) from (select from jobs.run_stage rs
         where rs.run_id between first_run and first_run + run_count - 1
         group by rs.stage_id having count(*) > 1) several),
      'reused', cardinality(known)),
    'unchanged', false, 'revived', coalesce(revived, 0),
    'failed', (select count(*) from jobs.stage where id = any (known)
               and state in ('failed', 'parked')))
  into result;
  perform api.internal_event('submitted', grid => grid_number, detail => result);
  perform api.internal_disorder();
  perform api.internal_notify();
  return result;
end $$;
