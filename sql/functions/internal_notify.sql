-- Wakes idle workers; silent while nobody idles, since a notification in every transaction halves
-- the rate of commits.
create or replace function api.internal_notify() returns void
language plpgsql as $$
#variable_conflict use_variable
begin
  if exists (select from jobs.worker where state = 'idle'
             and seen_at > api.internal_now() - interval '2 minutes') then
    perform pg_notify('jobctl_ready', '');
  end if;
end $$;
