-- A checkpoint store makes itself known.
create or replace function api.register_store(id text, path text, host text) returns void
language sql security definer set search_path = pg_catalog, jobs, pg_temp as $$
  insert into jobs.store as s (id, path, host)
  values (register_store.id, register_store.path, register_store.host)
  on conflict on constraint store_pkey do update set path = excluded.path, host = excluded.host
$$;
