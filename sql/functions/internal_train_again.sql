-- Blocks done stages again, so that workers train them again, if a child needs the checkpoint at
-- their end and that checkpoint was given up or is damaged. A stage's parent is blocked too if the
-- stage needs its end and that checkpoint is gone as well. Returns the stages given, the blocked
-- ones and their children.
create or replace function api.internal_train_again(stages bigint[]) returns bigint[]
language plpgsql as $$
#variable_conflict use_variable
declare
  needed bigint[] := stages;
  found  bigint[];
begin
  loop
    found := array(
      select distinct p.id from jobs.stage s
      join jobs.stage p on p.id = s.parent_id
      join jobs.checkpoint c on c.id = p.checkpoint_id
      where s.id = any (needed) and s.state in ('blocked', 'ready', 'running', 'skipped')
        and p.state = 'done' and (c.removed_at is not null or c.damaged_at is not null)
        and not exists (
          select from jobs.checkpoint o where o.stage_id = s.id
            and o.removed_at is null and o.damaged_at is null));
    exit when cardinality(found) = 0;
    perform api.internal_lock(found);
    update jobs.stage set state = 'blocked', checkpoint_id = null, finished_at = null
    where id = any (found) and state = 'done';
    needed := needed || found
      || array(select c.id from jobs.stage c where c.parent_id = any (found));
  end loop;
  return needed;
end $$;
