-- What sharing saves: the stages of all runs, and those that exist.
create or replace view report.sharing as
select g.id as grid_id, g.name::text as grid, sum(w.runs)::bigint as stages,
  count(*) as unique_stages, sum(w.runs * s.updates)::bigint as updates,
  sum(s.updates)::bigint as unique_updates, sum(w.runs * s.epochs) as epochs,
  sum(s.epochs) as unique_epochs,
  count(*) filter (where s.created_at < g.submitted_at) as reused_stages
from jobs.grid g
join lateral (
  select rs.stage_id, count(*) as runs from jobs.run r join jobs.run_stage rs on rs.run_id = r.id
  where r.grid_id = g.id group by rs.stage_id
) w on true
join jobs.stage s on s.id = w.stage_id
group by g.id;
comment on view report.sharing is
  'Shared work: stages, updates and epochs of all runs, and of the unique stages that are trained.';
