-- Takes stages, named with their attempts, from workers whose leases have run out; skips rows
-- that another session writes. A stage that crashes again and again without progress is parked.
create or replace function api.internal_rescue(stages bigint[], attempts int[]) returns int
language plpgsql as $$
#variable_conflict use_variable
declare
  at       timestamptz := api.internal_now();
  lost     record;
  before   record;
  is_last  boolean;
  count    int := 0;
begin
  for lost in
    select n.stage, n.attempt from unnest(stages, attempts) as n(stage, attempt)
    -- One by one (offset 0): planned while there are no attempts, a join would read all of them for
    -- each stage.
    cross join lateral (
      select true from jobs.attempt a
      where a.stage_id = n.stage and a.attempt = n.attempt and a.lease_until < at offset 0) a
    order by n.stage
  loop
    -- Asked for by its number alone (internal_finish).
    select s.worker_id, s.crash_streak into before from jobs.stage s
    where s.id = lost.stage and case s.attempt when lost.attempt then s.state = 'running' end
    for no key update skip locked;
    continue when not found;
    -- A heartbeat may have come in between.
    perform from jobs.attempt a
    where a.stage_id = lost.stage and a.attempt = lost.attempt and a.lease_until < at
    for no key update skip locked;
    continue when not found;
    is_last := before.crash_streak + 1 >= api.internal_crash_limit();
    perform api.internal_end_attempt(lost.stage, lost.attempt, 'crashed', 'its lease ran out',
      null);
    update jobs.stage s
    set crashes = s.crashes + 1, crash_streak = s.crash_streak + 1, worker_id = null,
        state = case when is_last then 'parked' else api.internal_place(s.parent_id) end,
        reason = case when is_last
          then format('crashed %s times in a row without a checkpoint in between',
            s.crash_streak + 1) end
    where s.id = lost.stage;
    perform api.internal_event(case when is_last then 'parked' else 'rescued' end,
      stage => lost.stage, worker => before.worker_id,
      detail => jsonb_build_object('attempt', lost.attempt));
    count := count + 1;
  end loop;
  if count > 0 then
    perform api.internal_disorder();
    perform api.internal_notify();
  end if;
  return count;
end $$;
