-- Why ready stages wait, of a grid or of all: the ten reasons that most of them have.
create or replace function report.reason_to_wait(grid_number bigint)
returns table(reason text, stages bigint)
language sql stable as $$
  select w.reason, count(*) from report.waiting w
  where grid_number is null or exists (
    select from report.run_stage rs where rs.stage_id = w.stage_id and rs.grid_id = grid_number)
  group by w.reason order by count(*) desc, w.reason limit 10
$$;
