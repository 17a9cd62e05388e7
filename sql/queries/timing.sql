-- How the finished attempts of a grid's stages ran beside each other and beside attempts of
-- other grids, so far as the queue knows it.
create or replace function report.timing(grid_number bigint)
returns table(hosts bigint, threads bigint, at_once bigint)
language sql stable as $$
  with own as (
    select a.stage_id, a.attempt, a.host, a.threads, a.claimed_at, a.ended_at
    from report.attempt a
    where a.outcome = 'finished' and a.stage_id in (
      select rs.stage_id from report.run_stage rs where rs.grid_id = grid_number)),
  span as (
    select host, min(claimed_at) as first, max(ended_at) as last from own group by host),
  -- A crashed attempt's end is that of its rescue: when it stopped is not known.
  beside as (
    select a.host, a.claimed_at, a.ended_at,
      exists (select from own o where o.stage_id = a.stage_id and o.attempt = a.attempt)::int
        as is_own
    from report.attempt a join span s on s.host = a.host
    where a.claimed_at < s.last and coalesce(a.ended_at, s.last) > s.first
      and a.outcome is distinct from 'crashed'),
  -- An end comes before a beginning of the same moment.
  moved as (
    select host, claimed_at as at, 1 as change, is_own as own_change from beside
    union all select host, ended_at, -1, -is_own from beside where ended_at is not null),
  running as (
    select sum(change) over w as attempts, sum(own_change) over w as own_attempts from moved
    window w as (partition by host order by at, change
      rows between unbounded preceding and current row))
  select (select count(distinct host) from own), (select count(distinct threads) from own),
    coalesce((select max(attempts) from running where own_attempts > 0), 0)::bigint
$$;
