-- What is paused: the queue as a whole, and grids, twenty at the most.
create or replace function report.paused(grid_number bigint) returns table(what text)
language sql stable as $$
  select 'the queue' from report.queue where paused_at is not null
  union all
  (select 'grid ' || grid from report.submission
   where paused_at is not null and (grid_number is null or id = grid_number)
   order by id limit 20)
$$;
