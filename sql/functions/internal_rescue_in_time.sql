-- Rescues at most once a second, whoever asks, and one at a time: with many workers the look at all
-- running stages would otherwise be most of the work. The moment is kept in a sequence, which is
-- neither locked nor left behind in old versions.
create or replace function api.internal_rescue_in_time() returns void
language plpgsql as $$
declare
  at bigint := extract(epoch from api.internal_now()) * 1000;
begin
  -- A clock may also step back.
  if current_setting('jobctl.claims_in_order', true) = 'on'
    or (abs(at - (select last_value from jobs.rescue_clock)) >= 1000
      and pg_try_advisory_xact_lock(7205812436110003))
  then
    perform setval('jobs.rescue_clock', greatest(at, 1));
    perform api.rescue();
  end if;
end $$;
