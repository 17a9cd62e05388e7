-- One row a grid, with its runs counted by state.
create or replace view report.grid as
select g.id, g.name::text as grid, g.priority, g.submitted_by, g.submitted_at, count(r.*) as runs,
  count(*) filter (where r.state = 'finished') as finished,
  count(*) filter (where r.state = 'diverged') as diverged,
  count(*) filter (where r.state = 'failed') as failed,
  count(*) filter (where r.state = 'parked') as parked,
  count(*) filter (where r.state = 'cancelled') as cancelled,
  count(*) filter (where r.state = 'running') as running,
  count(*) filter (where r.state = 'waiting') as waiting, g.paused_at,
  count(*) filter (where r.outcome = 'collapsed') as collapsed
from jobs.grid g left join report.run r on r.grid_id = g.id
group by g.id;
comment on view report.grid is
  'Grids, with their runs counted by state. Of the finished ones, collapsed did not learn.';
