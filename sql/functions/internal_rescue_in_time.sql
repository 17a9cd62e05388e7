-- Rescues once a second, whoever asks, and one at a time: with many workers the look at all running
-- stages would otherwise be most of the work. Where a transaction that stays open keeps ended
-- stages among the running ones the look takes longer, and comes more seldom: it takes a twentieth
-- of the time at most, as long as nobody waits for more than four seconds. The moment is kept in a
-- sequence, which is neither locked nor left behind in old versions. After a restart of the server
-- workers have a lease's time to say that they live: no lease could be renewed while it was away.
create or replace function api.internal_rescue_in_time() returns void
language plpgsql as $$
declare
  at   bigint := extract(epoch from api.internal_now()) * 1000;
  due  bigint := (select last_value from jobs.rescue_clock);
  took bigint;
begin
  -- A clock may also step back.
  if current_setting('jobctl.claims_in_order', true) = 'on'
    or ((at >= due or due - at > 60000)
      and clock_timestamp() - pg_postmaster_start_time() > interval '10 s'
      and pg_try_advisory_xact_lock(7205812436110003))
  then
    perform setval('jobs.rescue_clock', greatest(at + 1000, 1));
    perform api.rescue();
    took := extract(epoch from api.internal_now()) * 1000 - at;
    if took > 50 then
      perform setval('jobs.rescue_clock', greatest(at + least(20 * took, 4000), 1));
    end if;
  end if;
end $$;
