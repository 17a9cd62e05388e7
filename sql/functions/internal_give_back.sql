-- A stage that its worker does not train goes back to the queue.
create or replace function api.internal_give_back(stage bigint, attempt_number int, why text)
returns void
language plpgsql as $$
#variable_conflict use_variable
begin
  if api.internal_holds(stage, attempt_number) then
    perform api.internal_end_attempt(stage, attempt_number, 'preempted', why, null);
    update jobs.stage s
    set state = api.internal_place(s.parent_id), worker_id = null, preemptions = s.preemptions + 1
    where s.id = stage;
    perform api.internal_event('preempted', stage => stage, detail => jsonb_build_object(
      'attempt', attempt_number, 'reason', why));
    perform api.internal_disorder();
    perform api.internal_notify();
  end if;
end $$;
