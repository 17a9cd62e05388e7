-- Stages of runs in their order, with the highest memory of a worker that trained one alone.
create or replace function report.stage_of_run(run_numbers bigint[])
returns table(run_id bigint, "position" int, start_samples bigint, end_samples bigint, batch bigint,
  law jsonb, noise_scale float8, memory_bytes bigint, memory_measured bigint)
language sql stable as $$
  select rs.run_id, rs.position, s.start_samples, s.end_samples, s.batch, s.law, s.noise_scale,
    s.memory_bytes,
    (select max(a.peak_memory_bytes) from report.attempt a
     where a.stage_id = s.id and a.slots = 1)
  from report.run_stage rs join report.stage s on s.id = rs.stage_id
  where rs.run_id = any (run_numbers)
$$;
