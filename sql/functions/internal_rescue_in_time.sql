-- Rescues at most once a second, in one session at a time: with many workers the scan would
-- otherwise be most of the work. It scans the stages of workers that have been silent for half a
-- lease, and once a minute all running stages, in case a stage's worker is gone. After a slow
-- scan the next one waits twenty times as long as the scan took, at most four seconds. The times of
-- the next scans are kept in sequences, which are not locked and leave no dead rows. For ten
-- seconds after a restart of the server nothing is rescued: no worker could renew a lease while the
-- server was away. Returns whether it scanned.
create or replace function api.internal_rescue_in_time(lease interval) returns boolean
language plpgsql as $$
declare
  at      bigint;
  due     bigint;
  due_all bigint;
  took    bigint;
begin
  if current_setting('jobctl.claims_in_order', true) = 'on' then
    perform api.rescue();
    return true;
  end if;
  at := extract(epoch from api.internal_now()) * 1000;
  due := coalesce(pg_sequence_last_value('jobs.rescue_clock'), 0);
  -- A clock may also step back.
  if (at < due and due - at <= 60000)
    or api.internal_now() - pg_postmaster_start_time() <= interval '10 s'
    or not pg_try_advisory_xact_lock(7205812436110003)
  then
    return false;
  end if;
  perform setval('jobs.rescue_clock', greatest(at + 1000, 1));
  due_all := coalesce(pg_sequence_last_value('jobs.rescue_all_clock'), 0);
  if at >= due_all or due_all - at > 600000 then
    perform setval('jobs.rescue_all_clock', greatest(at + 60000, 1));
    perform api.rescue();
  else
    perform api.internal_rescue_silent(lease / 2);
  end if;
  took := extract(epoch from api.internal_now()) * 1000 - at;
  if took > 50 then
    perform setval('jobs.rescue_clock', greatest(at + least(20 * took, 4000), 1));
  end if;
  return true;
end $$;
