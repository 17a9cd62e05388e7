-- One change of the structure (which runs want which stages) at a time. Workers' writes need no
-- such lock: what they and a change of the structure both touch is locked row by row
-- (internal_lock).
create or replace function api.internal_serialize() returns void
language sql as $$
  select pg_advisory_xact_lock(7205812436110002)
$$;
