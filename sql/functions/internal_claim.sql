-- Takes up to `slots` ready stages for a worker, by priority and age.
--
-- What was taken leaves dead entries at the head of the index, which vacuum removes unless a long
-- transaction somewhere keeps it from that. So a session goes on behind the stage that it took
-- last. It looks from the start when something was made ready out of order (internal_disorder), and
-- when there is nothing further on; and one of all sessions does after fifty times what the last
-- such look took, at most 10 s. What becomes ready behind their backs otherwise, or is committed
-- only after the disorder was seen, waits until then.
create or replace function api.internal_claim(
  worker bigint, slots int, request jsonb, lease interval) returns jsonb[]
language plpgsql as $$
#variable_conflict use_variable
declare
  -- Where to go on: priority (negative), stage, the disorder then known.
  hint        bigint[] :=
    string_to_array(nullif(current_setting('jobctl.claim_after', true), ''), ',');
  at          timestamptz := api.internal_now();
  started     timestamptz := clock_timestamp();
  now_ms      bigint := extract(epoch from started) * 1000;
  numerics    int := (request ->> 'numerics_version')::int;
  memory      numeric := (request ->> 'memory_bytes')::numeric;
  fingerprint text := request ->> 'fingerprint';
  threads     int := (request ->> 'threads')::int;
  grid_number bigint;
  disorder    bigint;
  next_look   bigint;
  is_due      boolean;
  is_whole    boolean;
  documents   jsonb[] := '{}';
  found_here  jsonb[];
  ranks       bigint[];
  numbers     bigint[];
  ignored     text;
begin
  if api.internal_rescue_in_time(lease) then at := api.internal_now(); end if;
  if request ->> 'grid' is not null then
    select g.id into grid_number from jobs.grid g where g.name = request ->> 'grid';
    if grid_number is null then return documents; end if;
  end if;
  disorder := coalesce(pg_sequence_last_value('jobs.disorder'), 0);
  next_look := coalesce(pg_sequence_last_value('jobs.next_look'), 0);
  -- A clock may also step back.
  is_due := now_ms >= next_look or next_look - now_ms > 60000;
  is_whole := is_due or hint is null or hint[3] <> disorder
    or coalesce(current_setting('jobctl.claims_in_order', true), 'off') = 'on';
  loop
    if is_whole then
      -- Nobody else does the same meanwhile.
      if is_due then ignored := setval('jobs.next_look', now_ms + 10000); end if;
      hint := '{-9223372036854775808,0}';
      started := clock_timestamp();
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
        and (-s.priority::bigint, s.id) > (hint[1], hint[2])
        and (s.not_before is null or s.not_before <= at)
        and s.numerics_version = numerics
        and (s.dataset_digest is null or request -> 'datasets' ? s.dataset_digest::text)
        and s.memory_bytes <= memory
        and (grid_number is null or api.internal_is_wanted(s.id, grid_number))
        and (c.id is null or request -> 'stores' ? c.store_id)
        -- Nothing is begun without the state that it starts from.
        and (s.parent_id is null or c.id is not null)
        and (not s.pinned or c.id is null or c.fingerprint = fingerprint)
      order by -s.priority::bigint, s.id
      limit slots - cardinality(documents)
      for no key update of s skip locked
    ), taken as (
      update jobs.stage t
      set state = 'running', attempt = t.attempt + 1, worker_id = worker, not_before = null,
          reason = null
      from picked c where t.id = c.id
      returning t.id, c.rank, t.attempt, t.digest, t.seed, t.spec_digest, t.law, t.start_samples,
        t.end_samples, t.start_updates, t.updates, t.batch, t.ghost, t.priority,
        c.checkpoint, c.trained, c.written_by, c.store_id, c.file, c.digest as file_digest,
        c.bytes, c.samples as from_samples, c.updates as from_updates,
        case when c.trained = t.id then c.updates - t.start_updates else 0 end as done
    ), tried as (
      insert into jobs.attempt(stage_id, attempt, worker_id, claimed_at, lease_until,
        updates_from, updates_to, samples_to, threads, fingerprint)
      select id, attempt, worker, at, at + lease, done, done,
        coalesce(from_samples, start_samples), threads, fingerprint
      from taken
    ), described as (
      select t.rank, t.id, jsonb_build_object(
        'stage', t.id, 'attempt', t.attempt, 'digest', t.digest, 'seed', t.seed,
        'spec', spec.document, 'law', t.law,
        'start_samples', t.start_samples, 'end_samples', t.end_samples,
        'start_updates', t.start_updates, 'updates', t.updates, 'batch', t.batch,
        'ghost', t.ghost, 'priority', t.priority, 'lease_seconds', extract(epoch from lease),
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
    select array_agg(document), array_agg(rank), array_agg(id) into found_here, ranks, numbers
    from described;
    if found_here is not null then
      documents := documents || found_here;
      ignored := set_config('jobctl.claim_after', concat_ws(',', ranks[cardinality(ranks)],
        numbers[cardinality(numbers)], disorder), false);
    end if;
    if is_whole then
      if is_due then
        ignored := setval('jobs.next_look', (extract(epoch from clock_timestamp()
          + least(50 * (clock_timestamp() - started), interval '10 s')) * 1000)::bigint);
      end if;
      return documents;
    end if;
    if cardinality(documents) >= slots then return documents; end if;
    is_whole := true;
  end loop;
end $$;
