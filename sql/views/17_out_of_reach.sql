-- Ready stages that wait for a checkpoint in a store that no worker has. A worker that was silent
-- for five minutes has nothing.
create or replace view report.stage_out_of_reach as
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
select k.id as stage_id, a.id::text as store, a.path, a.host
from stuck k join away a on a.id = k.store_id;
comment on view report.stage_out_of_reach is
  'Ready stages that wait for a checkpoint in a store that no worker has.';
