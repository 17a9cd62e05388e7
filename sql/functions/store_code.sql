-- Keeps a packed folder of code for a submission that follows in the same transaction.
-- gc removes code that no stage needs.
create or replace function api.store_code(archive bytea) returns text
language sql security definer set search_path = pg_catalog, jobs, pg_temp as $$
  insert into jobs.code(digest, archive)
  values (encode(sha256(store_code.archive), 'hex'), store_code.archive)
  on conflict (digest) do update set created_at = clock_timestamp()
  returning digest::text
$$;
