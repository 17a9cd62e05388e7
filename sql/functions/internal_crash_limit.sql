-- So many crashes in a row, with no checkpoint between them, park a stage.
create or replace function api.internal_crash_limit() returns int
language sql immutable parallel safe as $$ select 5 $$;
