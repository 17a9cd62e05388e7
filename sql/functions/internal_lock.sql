-- Locks stages and their parents, in the order of their ids. A function that sets a stage's state
-- by its parent's state holds both locks, so that no child is left behind when the parent ends at
-- the same time. A parent's id is below those of its children; since all functions lock in the
-- order of ids, there is no deadlock.
create or replace function api.internal_lock(stages bigint[]) returns void
language plpgsql as $$
#variable_conflict use_variable
begin
  perform from jobs.stage s
  where s.id = any (stages || array(select c.parent_id from jobs.stage c
                                    where c.id = any (stages) and c.parent_id is not null))
  order by s.id for no key update;
end $$;
