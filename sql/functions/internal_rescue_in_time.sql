-- Rescues once a second, whoever asks, and one at a time: with many workers the look would else be
-- most of the work. It is at the stages of workers that have been silent for half a lease, and once
-- a minute at all that runs, should a stage's worker be gone. Where it takes long it comes more
-- seldom, at a twentieth of the time at most, as long as nobody waits for more than four seconds.
-- The moments are kept in sequences, which are neither locked nor left behind in old versions.
-- After a restart of the server workers have a lease's time to say that they live: no lease could
-- be renewed while it was away. Says whether it looked.
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
