-- Frees the stages of workers that have not been heard of for a lease. Five crashes in a row
-- without progress park a stage.
create or replace function api.rescue() returns int
language plpgsql security definer set search_path = pg_catalog, jobs, api, pg_temp as $$
#variable_conflict use_variable
declare
  lost  record;
  count int := 0;
begin
  for lost in
    select s.id, s.attempt, s.worker_id, s.crash_streak from jobs.stage s
    join jobs.attempt a on a.stage_id = s.id and a.attempt = s.attempt
    where s.state = 'running' and a.lease_until < api.internal_now()
    order by s.id for no key update of s, a skip locked
  loop
    perform api.internal_end_attempt(lost.id, lost.attempt, 'crashed', 'its lease ran out', null);
    update jobs.stage
    set crashes = crashes + 1, crash_streak = crash_streak + 1, worker_id = null,
        state = case when crash_streak + 1 >= 5 then 'parked'
          else api.internal_place(parent_id) end,
        reason = case when crash_streak + 1 >= 5
          then 'crashed five times in a row without a checkpoint in between' end
    where id = lost.id;
    perform api.internal_event(
      case when lost.crash_streak + 1 >= 5 then 'parked' else 'rescued' end,
      stage => lost.id, worker => lost.worker_id,
      detail => jsonb_build_object('attempt', lost.attempt));
    count := count + 1;
  end loop;
  if count > 0 then
    perform api.internal_disorder();
    perform api.internal_notify();
  end if;
  return count;
end $$;
