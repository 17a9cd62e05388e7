-- Stores measurements of a running stage. Fenced, like every write of a worker: false means that
-- the attempt no longer holds the stage and that nothing was written.
create or replace function api.record(stage bigint, attempt int, measurements jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
begin
  if not api.internal_holds(stage, attempt) then
    return api.internal_fenced(stage, attempt, null);
  end if;
  perform api.internal_measure(stage, attempt, measurements);
  return true;
end $$;
