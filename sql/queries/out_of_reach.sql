-- Stores that no worker has, and the ready stages which wait for a checkpoint in them. A worker
-- that was silent for five minutes has nothing.
create or replace function report.out_of_reach(grid_number bigint)
returns table(store text, path text, host text, stages bigint)
language sql stable as $$
  with away as (
    select t.id, t.path, t.host from jobs.store t
    where not exists (
      select from jobs.worker w where w.state <> 'gone' and t.id::text = any (w.stores)
        and w.seen_at > now() - interval '5 minutes')
  ), kept as (
    select c.id, c.stage_id, c.samples, c.store_id from jobs.checkpoint c
    where c.store_id in (select a.id from away a)
      and c.damaged_at is null and c.removed_at is null
  ), stuck as (
    -- Goes on from a checkpoint of its own.
    select s.id, k.store_id from kept k join jobs.stage s on s.id = k.stage_id
    where s.state = 'ready' and not exists (
      select from jobs.checkpoint o
      where o.stage_id = s.id and o.damaged_at is null and o.removed_at is null
        and (o.samples, o.id) > (k.samples, k.id))
    union all
    -- Begins at its parent's end.
    select s.id, k.store_id from kept k
    join jobs.stage p on p.checkpoint_id = k.id
    join jobs.stage s on s.parent_id = p.id
    where s.state = 'ready' and not exists (
      select from jobs.checkpoint o
      where o.stage_id = s.id and o.damaged_at is null and o.removed_at is null)
  )
  select a.id::text, a.path, a.host, count(*) from stuck k join away a on a.id = k.store_id
  where grid_number is null or exists (
    select from report.run_stage rs where rs.stage_id = k.id and rs.grid_id = grid_number)
  group by a.id, a.path, a.host order by a.id
$$;
