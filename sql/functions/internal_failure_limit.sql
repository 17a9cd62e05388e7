-- A stage is tried so many times before an error that may pass fails it for good.
create or replace function api.internal_failure_limit() returns int
language sql immutable parallel safe as $$ select 3 $$;
