-- Locks stages and their parents, ancestors first. Whoever moves a stage by its parent's state
-- holds both, so that no child is left behind when the parent ends in the same moment. A parent's
-- id is below its children's: everybody locks by id, and nobody waits in a circle.
create or replace function api.internal_lock(stages bigint[]) returns void
language plpgsql as $$
#variable_conflict use_variable
begin
  perform from jobs.stage s
  where s.id = any (stages || array(select c.parent_id from jobs.stage c
                                    where c.id = any (stages) and c.parent_id is not null))
  order by s.id for no key update;
end $$;
