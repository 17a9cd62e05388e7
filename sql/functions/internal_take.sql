-- Takes up to `slots` ready stages behind a place in the order of priority and age; gives each, in
-- that order, with all that training needs.
create or replace function api.internal_take(
  worker bigint, slots int, request jsonb, lease interval, after_priority bigint,
  after_stage bigint) returns jsonb[]
language plpgsql as $$
#variable_conflict use_variable
declare
  at          timestamptz := api.internal_now();
  numerics    int := (request ->> 'numerics_version')::int;
  preparation int := (request ->> 'preparation')::int;
  memory      numeric := (request ->> 'memory_bytes')::numeric;
  fingerprint text := request ->> 'fingerprint';
  threads     int := (request ->> 'threads')::int;
  grid_number bigint;
  documents   jsonb[] := '{}';
begin
  if request ->> 'grid' is not null then
    select g.id into grid_number from jobs.grid g where g.name = request ->> 'grid';
    if grid_number is null then return documents; end if;
  end if;
  with picked as (
    select s.id, -s.priority::bigint as rank, c.id as checkpoint, c.stage_id as trained,
      c.attempt as written_by, c.store_id, c.file, c.digest, c.bytes, c.samples, c.updates
    from jobs.stage s
    -- Where it goes on from: its newest valid checkpoint, or its parent's at the end.
    left join lateral (
      select o.* from jobs.checkpoint o
      where o.id = coalesce(
          (select n.id from jobs.checkpoint n
           where n.stage_id = s.id and n.damaged_at is null and n.removed_at is null
           order by n.samples desc, n.id desc limit 1),
          (select p.checkpoint_id from jobs.stage p where p.id = s.parent_id))
        and o.damaged_at is null and o.removed_at is null
      limit 1) c on true
    where s.state = 'ready' and not s.held
      and (select q.paused_at is null from jobs.queue q where q.one)
      and (-s.priority::bigint, s.id) > (after_priority, after_stage)
      and (s.not_before is null or s.not_before <= at)
      and s.numerics_version = numerics and s.preparation = preparation
      and request -> 'backends' ? s.backend
      and (s.dataset_digest is null or request -> 'datasets' ? s.dataset_digest::text)
      and s.memory_bytes <= memory
      and (grid_number is null or api.internal_is_wanted(s.id, grid_number))
      and (c.id is null or request -> 'stores' ? c.store_id)
      -- Nothing is begun without the state that it starts from.
      and (s.parent_id is null or c.id is not null)
      and (not s.pinned or c.id is null or c.fingerprint = fingerprint)
    order by -s.priority::bigint, s.id
    limit slots
    for no key update of s skip locked
  ), taken as (
    update jobs.stage t
    set state = 'running', attempt = t.attempt + 1, worker_id = worker, not_before = null,
        reason = null
    from picked c where t.id = c.id
    returning t.id, c.rank, t.attempt, t.digest, t.seed, t.spec_digest, t.law, t.start_samples,
      t.end_samples, t.start_updates, t.updates, t.batch, t.ghost, t.priority, t.probe,
      t.memory_bytes, c.checkpoint, c.trained, c.written_by, c.store_id, c.file,
      c.digest as file_digest, c.bytes, c.samples as from_samples, c.updates as from_updates,
      case when c.trained = t.id then c.updates - t.start_updates else 0 end as done
  ), tried as (
    insert into jobs.attempt(stage_id, attempt, worker_id, claimed_at, lease_until,
      updates_from, updates_to, samples_to, threads, fingerprint)
    select id, attempt, worker, at, at + lease, done, done,
      coalesce(from_samples, start_samples), threads, fingerprint
    from taken
  ), described as (
    select jsonb_build_object(
      'stage', t.id, 'attempt', t.attempt, 'digest', t.digest, 'seed', t.seed,
      'spec', spec.document, 'law', t.law,
      'start_samples', t.start_samples, 'end_samples', t.end_samples,
      'start_updates', t.start_updates, 'updates', t.updates, 'batch', t.batch,
      'ghost', t.ghost, 'priority', t.priority, 'probe', t.probe,
      'memory_bytes', t.memory_bytes, 'lease_seconds', extract(epoch from lease),
      'resume', case when t.checkpoint is not null then jsonb_build_object(
        'checkpoint', t.checkpoint, 'stage', t.trained, 'attempt', t.written_by,
        'store', t.store_id, 'file', t.file, 'digest', t.file_digest, 'bytes', t.bytes,
        'samples', t.from_samples, 'updates', t.from_updates,
        'of_parent', t.trained <> t.id) end,
      'runs', array(
        select r.name::text from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
        where rs.stage_id = t.id and r.cancelled_at is null order by rs.run_id limit 20))
      as document
    from taken t join jobs.spec spec on spec.digest = t.spec_digest
    order by t.rank, t.id
  )
  select coalesce(array_agg(document), '{}') into documents from described;
  return documents;
end $$;
