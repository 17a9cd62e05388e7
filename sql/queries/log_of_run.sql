-- What the trainer of a run has written, attempt by attempt.
create or replace function report.log_of_run(grid_number bigint, run_name text)
returns table(stage bigint, attempt int, outcome text, log text)
language sql stable as $$
  select a.stage_id, a.attempt, a.outcome, a.log
  from report.run_stage rs join report.attempt a on a.stage_id = rs.stage_id
  where rs.grid_id = grid_number and rs.run = run_name and a.log is not null
  order by rs.position, a.attempt
$$;
