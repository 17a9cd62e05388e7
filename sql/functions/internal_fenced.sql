-- The answer to a write of an attempt that does not hold its stage. It is true if the attempt has
-- already ended in this way, since a worker may send an accepted write twice. Otherwise it is
-- false, and an event records the refusal.
create or replace function api.internal_fenced(stage bigint, attempt_number int, how text)
returns boolean
language plpgsql as $$
#variable_conflict use_variable
begin
  if exists (select from jobs.attempt a where a.stage_id = stage and a.attempt = attempt_number
             and a.outcome = how) then
    return true;
  end if;
  perform api.internal_event('fenced', stage => stage,
    detail => jsonb_build_object('attempt', attempt_number));
  return false;
end $$;
