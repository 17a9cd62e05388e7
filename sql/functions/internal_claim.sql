-- Takes up to `slots` ready stages for a worker, wherever they are in the order (internal_take).
--
-- Claimed stages leave dead entries at the head of the index, until vacuum removes them. A long
-- transaction anywhere on the server keeps vacuum from that. So a session scans on from the stage
-- that it took last. It scans from the start when a stage became ready out of order
-- (internal_disorder), or when it finds too few stages further on. Besides, one session at a time
-- scans from the start after fifty times the duration of the last such scan, at most after 10 s:
-- it finds the stages that became ready in any other way, or were committed after the sessions had
-- seen the disorder.
create or replace function api.internal_claim(
  request api.claim_request, lease interval) returns jsonb[]
language plpgsql as $$
#variable_conflict use_variable
declare
  -- Where to go on: priority (negative), stage, the disorder then known.
  hint      bigint[] :=
    string_to_array(nullif(current_setting('jobctl.claim_after', true), ''), ',');
  started   timestamptz := clock_timestamp();
  now_ms    bigint := extract(epoch from started) * 1000;
  disorder  bigint;
  next_look bigint;
  is_due    boolean;
  is_whole  boolean;
  documents jsonb[] := '{}';
  taken     jsonb[];
  last      jsonb;
  -- Assigned to: evaluated as expressions, where PERFORM would be statements.
  ignored   text;
begin
  ignored := api.internal_rescue_in_time(lease);
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
    taken := api.internal_take(request, request.slots - cardinality(documents), lease, hint[1],
      hint[2]);
    if taken <> '{}' then
      documents := documents || taken;
      last := taken[cardinality(taken)];
      ignored := set_config('jobctl.claim_after', concat_ws(',', -(last ->> 'priority')::bigint,
        last ->> 'stage', disorder), false);
    end if;
    if is_whole and is_due then
      ignored := setval('jobs.next_look', (extract(epoch from clock_timestamp()
        + least(50 * (clock_timestamp() - started), interval '10 s')) * 1000)::bigint);
    end if;
    if is_whole or cardinality(documents) >= request.slots then return documents; end if;
    is_whole := true;
  end loop;
end $$;
