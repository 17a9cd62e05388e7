-- Cancelled stages that somebody wants again wait anew.
create or replace function api.internal_revive(chain bigint[]) returns int
language plpgsql as $$
#variable_conflict use_variable
declare
  n int;
begin
  perform api.internal_lock(chain);
  update jobs.stage set state = 'blocked', reason = null
  where id = any (chain) and state = 'cancelled';
  get diagnostics n = row_count;
  return n;
end $$;
