-- Stages in training, of a grid or of all, each with one of the runs that want it: fifty at most.
create or replace function report.running(grid_number bigint)
returns table(stage_id bigint, run text, runs bigint, "position" int, of_run bigint, batch bigint,
  learning_rate float8, updates_done bigint, updates bigint, samples_per_second float8,
  test_accuracy float8, seconds_left float8, worker text, reason text, learning_rate_end float8)
language sql stable as $$
  select s.id, f.run, s.runs, f.position,
    (select count(*) from report.run_stage c where c.run_id = f.run_id), s.batch, s.learning_rate,
    coalesce(s.updates_done, 0), s.updates, s.samples_per_second,
    coalesce(
      (select m.test_accuracy from report.measurement m where m.stage_id = s.id
        order by m.samples desc limit 1),
      (select m.test_accuracy from report.measurement m where m.stage_id = s.parent_id
        order by m.samples desc limit 1)),
    (s.end_samples - coalesce(s.samples_done, s.start_samples))
      / nullif(s.samples_per_second, 0), s.worker, s.reason,
    s.learning_rate_end
  from report.stage s
  cross join lateral (
    select rs.run, rs.run_id, rs.position from report.run_stage rs where rs.stage_id = s.id
      and not rs.is_cancelled and (grid_number is null or rs.grid_id = grid_number)
    order by rs.run_id limit 1) f
  where s.state = 'running' order by s.id limit 50
$$;
