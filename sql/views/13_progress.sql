-- How far grids are, over the stages that their live runs want, each once.
create or replace view report.progress as
select g.id as grid_id, g.name::text as grid, g.paused_at is not null as is_paused,
  count(w.stage_id) as stages,
  count(*) filter (where s.state not in ('blocked', 'ready', 'running')) as stages_over,
  count(*) filter (where s.state = 'running') as stages_running,
  count(*) filter (where s.state = 'ready') as stages_ready,
  count(*) filter (where s.state = 'parked') as stages_parked,
  coalesce(sum(s.end_samples - s.start_samples), 0)::bigint as samples,
  coalesce(sum(s.end_samples - greatest(s.start_samples, coalesce(a.samples_to, 0)))
    filter (where s.state in ('blocked', 'ready', 'running')), 0)::bigint as samples_left,
  coalesce(sum(a.samples_per_second) filter (where s.state = 'running'), 0)::float8
    as samples_per_second
from jobs.grid g
left join lateral (
  select distinct rs.stage_id from jobs.run r join jobs.run_stage rs on rs.run_id = r.id
  where r.grid_id = g.id and r.cancelled_at is null
) w on true
left join jobs.stage s on s.id = w.stage_id
left join jobs.attempt a on a.stage_id = s.id and a.attempt = s.attempt
group by g.id;
comment on view report.progress is
  'Progress of grids: stages and samples of their live runs, each stage once, and the speed of '
  'those that are trained now. What is blocked below a parked stage is left too.';
