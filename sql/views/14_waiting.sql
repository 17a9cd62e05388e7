-- Why work waits, as far as workers have said it.
create or replace view report.waiting as
select s.id as stage_id,
  case s.preparation when 0
    then 'it was planned by an earlier version, which prepared tables in another way: submit its '
      'grid under another name, and cancel this one'
    else s.reason end as reason,
  s.not_before
from jobs.stage s
where s.state = 'ready' and (s.reason is not null or s.preparation = 0)
  -- A worker that was asked to end says nothing against the stage.
  and (s.preparation = 0 or s.reason <> 'drained');
comment on view report.waiting is
  'Ready stages that a worker has given back, with its reason, and those that none can train.';

create or replace view report.missing_data as
select d.digest::text as digest, said.name, said.path,
  w.name as worker, m.value as reason, w.seen_at,
  (select count(*) from jobs.stage s
   where s.dataset_digest = d.digest and s.state in ('ready', 'running')) as stages
from jobs.worker w
cross join lateral jsonb_each_text(w.missing_data) m
join jobs.dataset d on d.digest = m.key
cross join lateral (
  select string_agg(distinct p.description ->> 'name', ', ') as name,
    string_agg(distinct p.description ->> 'path', ', ') as path
  from jobs.dataset_place p where p.digest = d.digest) said
where w.state <> 'gone';
comment on view report.missing_data is
  'Data sets that a worker cannot open, with the reason and the stages that want them.';
