-- Where a grid's results come from: versions, hosts and kernels of its attempts, and their ends.
create or replace function report.provenance(grid_number bigint)
returns table(versions text, hosts text, fingerprints text, attempts bigint, crashed bigint,
  preempted bigint, failed bigint)
language sql stable as $$
  select string_agg(distinct a.version, ', '), string_agg(distinct a.host, ', '),
    string_agg(distinct a.fingerprint, '; '), count(*),
    count(*) filter (where a.outcome = 'crashed'),
    count(*) filter (where a.outcome = 'preempted'),
    count(*) filter (where a.outcome = 'failed')
  from report.attempt a where a.stage_id in (
    select rs.stage_id from report.run_stage rs where rs.grid_id = grid_number)
$$;
