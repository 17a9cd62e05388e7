-- What runs cost, and what sharing saved them.
create or replace view report.cost as
select r.grid_id, r.grid, r.run_id, r.run, r.setting, r.seed, r.updates, r.samples, r.seconds,
  r.core_seconds, r.peak_memory_bytes, r.updates_redone, r.attempts, r.crashes, r.preemptions,
  w.updates_shared, w.updates_alone, w.checkpoint_bytes
from report.run r
cross join lateral (
  select coalesce(sum(a.reached) filter (where o.runs > 1), 0)::bigint as updates_shared,
    coalesce(sum(a.reached::float8 / o.runs), 0) as updates_alone,
    (select coalesce(sum(c.bytes), 0) from jobs.run_stage rs2
     join jobs.checkpoint c on c.stage_id = rs2.stage_id
     where rs2.run_id = r.run_id and c.removed_at is null)::bigint as checkpoint_bytes
  from jobs.run_stage rs
  cross join lateral (
    select max(a.updates_to) as reached from jobs.attempt a where a.stage_id = rs.stage_id) a
  cross join lateral (
    select count(*) as runs from jobs.run_stage x where x.stage_id = rs.stage_id) o
  where rs.run_id = r.run_id
) w;
comment on view report.cost is
  'Costs of runs: seconds, core_seconds and updates of their stages in full; updates_shared of '
  'them are in stages that other runs want too; updates_alone divides each stage among its runs, '
  'and so adds up to what was trained.';
