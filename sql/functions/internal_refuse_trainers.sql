-- Refuses a submission of programs by a login that may not submit any: workers would run them.
-- Refuses code that the queue does not have, too: no worker could.
create or replace function api.internal_refuse_trainers() returns void
language plpgsql as $$
declare
  missing text;
begin
  if not exists (select from pg_temp.stage_content c where c.backend <> 'native') then
    return;
  end if;
  if not pg_has_role(session_user, 'jobctl_trainers', 'member') then
    raise exception 'the login "%" may not submit trainers: workers run what they are made of',
        session_user
      using errcode = 'insufficient_privilege',
      hint = format('an owner of the queue may allow it: grant jobctl_trainers to %I',
        session_user);
  end if;
  select s.document::jsonb #>> '{trainer,code}' into missing
  from pg_temp.submitted_spec s
  where s.document::jsonb #>> '{trainer,code}' is not null and not exists (
    select from jobs.code c where c.digest = s.document::jsonb #>> '{trainer,code}')
  limit 1;
  if found then
    raise exception 'the queue does not have the code %', missing using errcode = 'JC004',
      hint = 'call api.store_code first, in the same transaction';
  end if;
end $$;
