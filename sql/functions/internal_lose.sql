-- Checkpoints no longer count. Stages that have to be trained again, because another goes on from
-- their ends, wait anew. Says how many checkpoints counted, how many stages that were done are
-- trained again, and how many that were not done go back to an earlier checkpoint or to their
-- start.
create or replace function api.internal_lose(checkpoints bigint[]) returns jsonb
language plpgsql as $$
#variable_conflict use_variable
declare
  owners  bigint[] := array(
    select distinct c.stage_id from jobs.checkpoint c where c.id = any (checkpoints));
  family  bigint[] := array(
    select s.id from jobs.stage s where s.id = any (owners) or s.parent_id = any (owners));
  ended   bigint[];
  -- Those that went on from a checkpoint which is lost: it was their newest.
  back    bigint[] := array(
    select c.stage_id from jobs.checkpoint c
    where c.id = any (checkpoints) and c.damaged_at is null and c.removed_at is null
      and not exists (
        select from jobs.checkpoint o
        where o.stage_id = c.stage_id and o.damaged_at is null and o.removed_at is null
          and o.id <> all (checkpoints) and (o.samples, o.id) > (c.samples, c.id)));
  counted int;
begin
  perform api.internal_lock(family);
  update jobs.checkpoint c set damaged_at = api.internal_now()
  where c.id = any (checkpoints) and c.damaged_at is null and c.removed_at is null;
  get diagnostics counted = row_count;
  -- No others can be trained again: those that ended with one, and those before them.
  ended := array(
    with recursive line as (
      select s.id, s.parent_id, s.state from jobs.stage s where s.id = any (owners)
      union
      select p.id, p.parent_id, p.state from jobs.stage p join line l on p.id = l.parent_id)
    select l.id from line l where l.state = 'done');
  family := api.internal_train_again(family);
  perform api.internal_settle(family);
  perform api.internal_disorder();
  perform api.internal_notify();
  return jsonb_build_object(
    'checkpoints', counted,
    'trained_again', (
      select count(*) from jobs.stage s
      where s.id = any (family) and s.id = any (ended) and s.state <> 'done'),
    'set_back', (
      select count(*) from jobs.stage s
      where s.id = any (back) and s.id <> all (ended)
        and s.state in ('blocked', 'ready', 'running', 'parked', 'failed')));
end $$;
