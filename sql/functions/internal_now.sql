-- The only clock that decides. A function, so that tests can set it.
create or replace function api.internal_now() returns timestamptz
language sql volatile as $$ select clock_timestamp() $$;
