-- Parked stages, each with one of its runs and the worker that crashed last.
create or replace function report.parked()
returns table(stage_id bigint, run text, runs bigint, crashes int, last_worker text, reason text)
language sql stable as $$
  select s.id, (select min(rs.run) from report.run_stage rs where rs.stage_id = s.id), s.runs,
    s.crashes,
    (select a.worker from report.attempt a where a.stage_id = s.id and a.attempt = s.attempt),
    s.reason
  from report.stage s where s.state = 'parked' order by s.id
$$;
