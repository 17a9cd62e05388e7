-- The stage is done: checkpoint, measurements, and its children's release, at once or not at all.
create or replace function api.internal_finish(
  stage bigint, attempt int, checkpoint jsonb, measurements jsonb, progress jsonb) returns boolean
language plpgsql as $$
#variable_conflict use_variable
declare
  final_id bigint := nextval('jobs.checkpoint_id_seq');
  known_id bigint;
  freed    int := 0;
  ignored  boolean;
begin
  -- The fence (internal_holds) and the change in one. In a case, which hides the state from the
  -- planner: while nothing runs, all entries of what runs would seem as near as the row itself.
  update jobs.stage s
  set state = 'done', worker_id = null, checkpoint_id = final_id, finished_at = clock_timestamp(),
      crash_streak = 0, reason = null
  where s.id = stage and case s.attempt when attempt then s.state = 'running' end;
  if not found then return api.internal_fenced(stage, attempt, 'finished'); end if;
  if measurements <> '[]' then perform api.internal_measure(stage, attempt, measurements); end if;
  known_id := api.internal_checkpoint(stage, attempt, checkpoint, true, final_id);
  if known_id <> final_id then
    update jobs.stage s set checkpoint_id = known_id where s.id = stage;
  end if;
  -- Assigned: evaluated as an expression, where PERFORM would be a statement more.
  ignored := api.internal_end_attempt(stage, attempt, 'finished', null, progress);
  -- A statement of its own: it sees what was submitted while we waited for the lock.
  if exists (select from jobs.stage c where c.parent_id = stage) then
    perform from jobs.stage s where s.parent_id = stage order by s.id for no key update;
    update jobs.stage set state = 'ready' where parent_id = stage and state = 'blocked';
    get diagnostics freed = row_count;
  end if;
  ignored := api.internal_event('finished', stage => stage,
    detail => jsonb_build_object('attempt', attempt));
  if freed > 0 then perform api.internal_notify(); end if;
  return true;
end $$;
