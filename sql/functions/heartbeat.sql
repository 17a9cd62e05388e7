-- Renews the leases of all stages that a worker says it trains, notes their progress and what they
-- wait for, and says which of them it has lost or is to give back because they are paused.
create or replace function api.heartbeat(worker bigint, held jsonb, idle boolean, lease interval)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  at        timestamptz := api.internal_now();
  verdicts  jsonb := '[]';
  verdict   text;
  said      record;
  known     boolean;
  sweeps    boolean;
  is_held   boolean;
  is_paused boolean := (select paused_at is not null from jobs.queue where one);
begin
  update jobs.worker w
  set seen_at = at, state = case when idle then 'idle' else 'busy' end,
      swept_at = case when w.swept_at <= at - lease then at else w.swept_at end
  where w.id = worker and w.state <> 'gone'
  returning w.swept_at = at into sweeps;
  known := found;
  -- Claimed longer than a lease ago, and the worker does not know: the claim's answer was lost.
  -- Once a lease: where a transaction stays open, what it has ended since is read with it.
  if sweeps then
    perform api.internal_give_back(s.id, s.attempt, 'its claim was not heard of') from (
      select r.id, r.attempt from jobs.stage r
      where r.worker_id = heartbeat.worker and r.state = 'running' offset 0) s
    cross join lateral (
      select true from jobs.attempt a
      where a.stage_id = s.id and a.attempt = s.attempt and a.claimed_at < at - lease offset 0) a
    where not exists (select from jsonb_array_elements(held) h
                      where (h ->> 'stage')::bigint = s.id)
    order by s.id;
  end if;

  -- One by one, in the order in which everybody locks who holds several. A join of them all would
  -- be planned while nothing runs, and read all attempts.
  for said in
    select h.stage, h.attempt, (h.progress).*
    from jsonb_populate_recordset(null::api.held_stage, held) h
    order by h.stage, h.attempt
  loop
    update jobs.attempt a
    set lease_until = at + lease,
        updates_to = greatest(a.updates_to, coalesce(said.updates, 0)),
        samples_to = greatest(a.samples_to, coalesce(said.samples, 0)),
        seconds = coalesce(said.seconds, a.seconds),
        core_seconds = coalesce(said.core_seconds, a.core_seconds),
        samples_per_second = coalesce(said.samples_per_second, a.samples_per_second),
        threads = coalesce(said.threads, a.threads), log = coalesce(said.log, a.log),
        reason = said.reason
    -- Open, as only that of a running stage is.
    where a.stage_id = said.stage and a.attempt = said.attempt and a.ended_at is null
    returning (select s.held from jobs.stage s where s.id = said.stage) into is_held;
    verdict := case
      when found then case when is_held or is_paused then 'paused' else 'hold' end
      when (select s.state from jobs.stage s where s.id = said.stage) = 'cancelled' then 'cancelled'
      else 'lost' end;
    verdicts := verdicts || jsonb_build_object(
      'stage', said.stage, 'attempt', said.attempt, 'verdict', verdict);
  end loop;

  return jsonb_build_object('stages', verdicts,
    'worker', case when known then 'known' else 'unknown' end,
    -- So that many idle workers together ask no more often than few.
    'idle_workers', case when idle then (select count(*) from jobs.worker w
      where w.state = 'idle' and w.seen_at > at - interval '2 minutes') end);
end $$;
