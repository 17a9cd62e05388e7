-- Gives a worker up to `slots` ready stages that it can train, with all that training needs.
create or replace function api.claim(request jsonb, lease interval)
returns setof jsonb
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
begin
  return query select unnest(api.internal_claim(
    jsonb_populate_record(null::api.claim_request, request), lease));
end $$;
