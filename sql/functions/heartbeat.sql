-- Renews the leases of all stages that a worker says it trains, notes their progress and what they
-- wait for, and says which of them it has lost or is to give back because they are paused.
create or replace function api.heartbeat(worker bigint, held jsonb, idle boolean, lease interval)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp
-- Plans are kept, and may be made while a table is still empty.
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_material = off set jit = off as $$
#variable_conflict use_variable
declare
  verdicts jsonb;
  known    boolean;
  is_paused boolean := (select paused_at is not null from jobs.queue where one);
begin
  update jobs.worker
  set seen_at = api.internal_now(), state = case when idle then 'idle' else 'busy' end
  where id = worker and state <> 'gone';
  known := found;
  -- Claimed longer than a lease ago, and the worker does not know: the claim's answer was lost.
  perform api.internal_give_back(s.id, s.attempt) from jobs.stage s
  join jobs.attempt a on a.stage_id = s.id and a.attempt = s.attempt
  where s.worker_id = heartbeat.worker and s.state = 'running'
    and a.claimed_at < api.internal_now() - lease
    and not exists (select from jsonb_array_elements(held) h
                    where (h ->> 'stage')::bigint = s.id)
  order by s.id;

  -- Locked by stage, as everybody does who holds several.
  perform from jobs.attempt a
  join jsonb_to_recordset(held) as h(stage bigint, attempt int)
    on a.stage_id = h.stage and a.attempt = h.attempt
  order by a.stage_id for no key update of a;
  with said as (
    select * from jsonb_to_recordset(held) as h(stage bigint, attempt int, updates bigint,
      samples bigint, seconds float8, core_seconds float8, samples_per_second real,
      threads int, reason text)
  ), renewed as (
    update jobs.attempt a
    set lease_until = api.internal_now() + lease,
        updates_to = greatest(a.updates_to, coalesce(h.updates, 0)),
        samples_to = greatest(a.samples_to, coalesce(h.samples, 0)),
        seconds = coalesce(h.seconds, a.seconds),
        core_seconds = coalesce(h.core_seconds, a.core_seconds),
        samples_per_second = coalesce(h.samples_per_second, a.samples_per_second),
        threads = coalesce(h.threads, a.threads),
        reason = h.reason
    -- Stage by stage: the plan is made while nothing runs, and would else read all that runs.
    from said h
    cross join lateral (
      select r.state, r.attempt from jobs.stage r where r.id = h.stage offset 0) s
    where a.stage_id = h.stage and a.attempt = h.attempt and a.ended_at is null
      and s.state = 'running' and s.attempt = h.attempt
    returning a.stage_id, a.attempt
  )
  select jsonb_agg(jsonb_build_object('stage', h.stage, 'attempt', h.attempt, 'verdict',
    case when r.stage_id is not null and (s.held or is_paused) then 'paused'
         when r.stage_id is not null then 'hold'
         when s.state = 'cancelled' then 'cancelled' else 'lost' end))
  into verdicts
  from said h left join renewed r on r.stage_id = h.stage and r.attempt = h.attempt
  left join jobs.stage s on s.id = h.stage;

  return jsonb_build_object('stages', coalesce(verdicts, '[]'),
    'worker', case when known then 'known' else 'unknown' end,
    -- So that many idle workers together ask no more often than few.
    'idle_workers', case when idle then (select count(*) from jobs.worker w
      where w.state = 'idle' and w.seen_at > api.internal_now() - interval '2 minutes') end);
end $$;
