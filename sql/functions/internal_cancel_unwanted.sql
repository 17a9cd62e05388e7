-- Of these stages, those that no live run wants are cancelled; says how many, and how many of them
-- were being trained.
create or replace function api.internal_cancel_unwanted(stages bigint[]) returns jsonb
language plpgsql as $$
#variable_conflict use_variable
declare
  unwanted bigint[];
  running  bigint;
begin
  perform api.internal_lock(stages);
  unwanted := array(
    select s.id from jobs.stage s
    where s.id = any (stages) and s.state in ('blocked', 'ready', 'running', 'skipped')
      and not exists (select from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
                      where rs.stage_id = s.id and r.cancelled_at is null));
  running := (select count(*) from jobs.stage s
              where s.id = any (unwanted) and s.state = 'running');
  perform api.internal_end_attempt(s.id, s.attempt, 'cancelled', 'no live run wants it', null)
  from jobs.stage s where s.id = any (unwanted) and s.state = 'running' order by s.id;
  update jobs.stage set state = 'cancelled', worker_id = null where id = any (unwanted);
  return jsonb_build_object('stages', cardinality(unwanted), 'running', running);
end $$;
