-- What a write is told that does not hold its stage: true where its attempt has ended like this
-- already, since an accepted write may be sent twice; else false, and a note of it.
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
