-- Takes up to `slots` ready stages behind a place in the order, and says which was the last.
create or replace function api.internal_claim(
  worker bigint, slots int, request jsonb, lease interval, after_priority bigint,
  after_stage bigint, out documents jsonb[], out last bigint[])
language plpgsql as $$
#variable_conflict use_variable
declare
  datasets    text[] := array(select jsonb_array_elements_text(request -> 'datasets'));
  stores      text[] := array(select jsonb_array_elements_text(request -> 'stores'));
  numerics    int := (request ->> 'numerics_version')::int;
  memory      numeric := (request ->> 'memory_bytes')::numeric;
  grid_number bigint;
  fingerprint text := request ->> 'fingerprint';
  threads     int := (request ->> 'threads')::int;
  at          timestamptz := api.internal_now();
begin
  if request ->> 'grid' is not null then
    select g.id into grid_number from jobs.grid g where g.name = request ->> 'grid';
    if grid_number is null then return; end if;
  end if;
  with picked as (
    select s.id, -s.priority::bigint as rank, s.start_updates,
      coalesce(own.id, above.id) as checkpoint_id, own.id is not null as is_own
    from jobs.stage s
    -- Where it goes on from: its newest valid checkpoint, or its parent's at the end.
    left join lateral (
      select c.id, c.store_id, c.fingerprint from jobs.checkpoint c
      where c.stage_id = s.id and c.damaged_at is null and c.removed_at is null
      order by c.samples desc, c.id desc limit 1) own on true
    left join lateral (
      select c.id, c.store_id, c.fingerprint from jobs.checkpoint c
      where c.id = (select p.checkpoint_id from jobs.stage p where p.id = s.parent_id)
        and c.damaged_at is null and c.removed_at is null
      limit 1) above on true
    where s.state = 'ready' and not s.held
      and (-s.priority::bigint, s.id) > (after_priority, after_stage)
      and (s.not_before is null or s.not_before <= at)
      and s.numerics_version = numerics
      and (s.dataset_digest is null or s.dataset_digest = any (datasets))
      and s.memory_bytes <= memory
      and (grid_number is null or (
        select true from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
        where rs.stage_id = s.id and r.grid_id = grid_number and r.cancelled_at is null limit 1))
      and (coalesce(own.id, above.id) is null
        or coalesce(own.store_id, above.store_id) = any (stores))
      -- Nothing is begun without the state that it starts from.
      and (s.parent_id is null or coalesce(own.id, above.id) is not null)
      and (not s.pinned
        or coalesce(coalesce(own.fingerprint, above.fingerprint) = fingerprint, true))
    order by -s.priority::bigint, s.id
    limit slots
    for no key update of s skip locked
  ), taken as (
    update jobs.stage t
    set state = 'running', attempt = t.attempt + 1, worker_id = worker, not_before = null,
        reason = null
    from picked where t.id = picked.id
    returning t.*, picked.rank, picked.checkpoint_id as resume_id, picked.is_own
  ), resumed as (
    select t.*, c.id as resume, c.stage_id as resume_stage, c.attempt as resume_attempt, c.store_id,
      c.file, c.digest as file_digest, c.bytes, c.samples as resume_samples,
      c.updates as resume_updates,
      case when t.is_own then c.updates - t.start_updates else 0 end as updates_from
    from taken t left join jobs.checkpoint c on c.id = t.resume_id
  ), tried as (
    insert into jobs.attempt(stage_id, attempt, worker_id, claimed_at, lease_until, updates_from,
      updates_to, samples_to, threads, fingerprint)
    select id, attempt, worker, at, at + lease, updates_from, updates_from,
      coalesce(resume_samples, start_samples), threads, fingerprint
    from resumed
  )
  select array_agg(jsonb_build_object(
      'stage', t.id, 'attempt', t.attempt, 'digest', t.digest, 'seed', t.seed,
      'spec', spec.document, 'law', t.law,
      'start_samples', t.start_samples, 'end_samples', t.end_samples,
      'start_updates', t.start_updates, 'updates', t.updates, 'batch', t.batch, 'ghost', t.ghost,
      'priority', t.priority, 'lease_seconds', extract(epoch from lease),
      'resume', case when t.resume is null then null else jsonb_build_object(
        'checkpoint', t.resume, 'stage', t.resume_stage, 'attempt', t.resume_attempt,
        'store', t.store_id, 'file', t.file, 'digest', t.file_digest, 'bytes', t.bytes,
        'samples', t.resume_samples, 'updates', t.resume_updates, 'of_parent', not t.is_own) end,
      'runs', (select jsonb_agg(r.name order by r.id) from (
        select q.id, q.name from jobs.run_stage rs join jobs.run q on q.id = rs.run_id
        where rs.stage_id = t.id and q.cancelled_at is null order by rs.run_id limit 20) r))
      order by t.rank, t.id),
    (array_agg(array[t.rank, t.id] order by t.rank desc, t.id desc))[1:1]
  into documents, last
  from resumed t join jobs.spec spec on spec.digest = t.spec_digest;
  last := array[last[1][1], last[1][2]];
  if last[1] is null then last := null; end if;
end $$;
