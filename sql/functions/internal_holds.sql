-- The fence: locks the stage and says whether this attempt still holds it. A lease that has run out
-- holds on until somebody takes the stage or a newer attempt exists.
create or replace function api.internal_holds(stage bigint, attempt_number int) returns boolean
language plpgsql as $$
#variable_conflict use_variable
declare
  holds boolean;
begin
  select s.state = 'running' and s.attempt = attempt_number into holds
  from jobs.stage s where s.id = stage for no key update;
  return coalesce(holds, false);
end $$;
