-- Finishes a stage and then claims, in the same transaction: one commit instead of two. It claims
-- even if the fence refuses the finish.
create or replace function api.finish_and_claim(
  stage bigint, attempt int, checkpoint jsonb, measurements jsonb, progress jsonb, request jsonb,
  lease interval, out accepted boolean, out claimed jsonb)
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
begin
  accepted := api.internal_finish(stage, attempt, checkpoint, measurements, progress);
  claimed := to_jsonb(api.internal_claim(
    jsonb_populate_record(null::api.claim_request, request), lease));
end $$;
