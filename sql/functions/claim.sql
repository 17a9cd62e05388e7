-- Gives a worker up to `slots` ready stages that it can train, with all that training needs.
--
-- Stages are taken by priority and age. What was taken leaves dead entries at the head of the
-- index, which vacuum removes unless a long transaction somewhere keeps it from that. So a session
-- goes on behind the stage that it took last. It looks from the start when something was made ready
-- out of order (internal_disorder), and when there is nothing further on; and one of all sessions
-- does after fifty times what the last such look took, at most 10 s. What becomes ready behind
-- their backs otherwise, or is committed only after the disorder was seen, waits until then.
create or replace function api.claim(worker bigint, slots int, request jsonb, lease interval)
returns setof jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp
-- Plans are kept, and may be made while a table is still empty.
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_material = off set jit = off as $$
#variable_conflict use_variable
declare
  -- Where to go on: priority (negative), stage, the disorder then known.
  hint      bigint[] :=
    string_to_array(nullif(current_setting('jobctl.claim_after', true), ''), ',');
  disorder  bigint;
  started   timestamptz := clock_timestamp();
  now_ms    bigint := extract(epoch from started) * 1000;
  next_look bigint;
  is_due    boolean;
  is_whole  boolean;
  documents jsonb[];
  last      bigint[];
begin
  perform api.internal_rescue_in_time();
  if (select paused_at is not null from jobs.queue where one) then return; end if;
  disorder := (select last_value from jobs.disorder);
  next_look := (select last_value from jobs.next_look);
  -- A clock may also step back.
  is_due := now_ms >= next_look or next_look - now_ms > 60000;
  is_whole := is_due or hint is null or hint[3] <> disorder
    or coalesce(current_setting('jobctl.claims_in_order', true), 'off') = 'on';
  if not is_whole then
    select c.documents, c.last into documents, last
    from api.internal_claim(worker, slots, request, lease, hint[1], hint[2]) c;
  end if;
  if is_whole or coalesce(cardinality(documents), 0) < slots then
    if is_due then
      -- Nobody else does the same meanwhile.
      perform setval('jobs.next_look', now_ms + 10000);
    end if;
    started := clock_timestamp();
    select coalesce(documents, '{}') || c.documents, coalesce(c.last, last) into documents, last
    from api.internal_claim(worker, slots - coalesce(cardinality(documents), 0), request, lease,
      '-9223372036854775808', 0) c;
    if is_due then
      perform setval('jobs.next_look', (extract(epoch from clock_timestamp()
        + least(50 * (clock_timestamp() - started), interval '10 s')) * 1000)::bigint);
    end if;
  end if;
  if last is not null then
    perform set_config('jobctl.claim_after', concat_ws(',', last[1], last[2], disorder), false);
  end if;
  return query select unnest(documents);
end $$;
