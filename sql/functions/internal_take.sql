-- Takes up to `slots` ready stages behind a place in the order of priority and age; gives each, in
-- that order, with all that training needs.
create or replace function api.internal_take(
  request api.claim_request, slots int, lease interval, after_priority bigint,
  after_stage bigint) returns jsonb[]
language plpgsql as $$
#variable_conflict use_variable
declare
  at          timestamptz := api.internal_now();
  grid_number bigint;
  documents   jsonb[] := '{}';
begin
  if request.grid is not null then
    select g.id into grid_number from jobs.grid g where g.name = request.grid;
    if grid_number is null then return documents; end if;
  end if;
  with picked as (
    select s.id, -s.priority::bigint as rank, c.id as checkpoint, c.stage_id as trained,
      c.store_id, c.file, c.digest, c.samples, c.updates
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
    where s.state = 'ready' and not s.held and s.id <> all (coalesce(request.excluded_stages, '{}'))
      and (select q.paused_at is null from jobs.queue q where q.one)
      and (-s.priority::bigint, s.id) > (after_priority, after_stage)
      and (s.not_before is null or s.not_before <= at)
      and concat_ws(' ', s.backend, s.numerics_version, s.preparation) = any (request.backends)
      and (s.dataset_digest is null or s.dataset_digest::text = any (request.datasets))
      and s.memory_bytes <= request.memory_bytes
      and (grid_number is null or api.internal_is_wanted(s.id, grid_number))
      and (c.id is null or c.store_id = any (request.stores))
      -- Nothing is begun without the state that it starts from.
      and (s.parent_id is null or c.id is not null)
      -- A later version's fingerprint names more libraries behind those that an earlier one named.
      and (not s.pinned or c.id is null
        or starts_with(request.fingerprint || ', ', c.fingerprint || ', '))
    order by -s.priority::bigint, s.id
    limit slots
    for no key update of s skip locked
  ), taken as (
    update jobs.stage t
    set state = 'running', attempt = t.attempt + 1, worker_id = request.worker, not_before = null,
        reason = null
    from picked c where t.id = c.id
    returning t.id, c.rank, t.attempt, t.digest, t.backend, t.seed, t.spec_digest, t.law,
      t.start_samples, t.end_samples, t.start_updates, t.updates, t.priority, t.probe,
      t.memory_bytes,
      c.checkpoint, c.file, c.digest as file_digest, c.samples as from_samples,
      case when c.trained = t.id then c.updates - t.start_updates else 0 end as done
  ), tried as (
    insert into jobs.attempt(stage_id, attempt, worker_id, claimed_at, lease_until,
      updates_from, updates_to, samples_to, threads, fingerprint)
    select id, attempt, request.worker, at, at + lease, done, done,
      coalesce(from_samples, start_samples), request.threads, request.fingerprint
    from taken
  ), described as (
    select jsonb_build_object(
      'stage', t.id, 'attempt', t.attempt, 'digest', t.digest, 'backend', t.backend,
      'seed', t.seed,
      'spec', spec.document, 'law', t.law,
      'start_samples', t.start_samples, 'end_samples', t.end_samples,
      'start_updates', t.start_updates, 'updates', t.updates, 'priority', t.priority,
      'probe', t.probe, 'memory_bytes', t.memory_bytes,
      'resume', case when t.checkpoint is not null then jsonb_build_object(
        'checkpoint', t.checkpoint, 'file', t.file, 'digest', t.file_digest,
        'samples', t.from_samples) end,
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
