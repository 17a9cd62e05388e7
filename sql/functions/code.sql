-- A packed folder of code; null where the queue has none of this digest.
create or replace function api.code(digest text) returns bytea
language sql stable security definer set search_path = pg_catalog, jobs, pg_temp as $$
  select c.archive from jobs.code c where c.digest = code.digest
$$;
