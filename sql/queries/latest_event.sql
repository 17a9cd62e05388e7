-- The latest events, of a grid and its stages or of a stage where one is named; the latest last.
create or replace function report.latest_event(
  grid_number bigint, stage_number bigint, at_most bigint)
returns table(id bigint, at text, "time" text, actor text, kind text, grid text, stage_id bigint,
  worker text, detail jsonb)
language sql stable as $$
  select l.* from (
    select e.id, e.at::text, to_char(e.at, 'YYYY-MM-DD HH24:MI:SS'), e.actor, e.kind, e.grid,
      e.stage_id, e.worker, e.detail
    from report.event e
    where (grid_number is null or e.grid_id = grid_number or e.stage_id in (
        select rs.stage_id from report.run_stage rs where rs.grid_id = grid_number))
      and (stage_number is null or e.stage_id = stage_number)
    order by e.id desc limit at_most) l
  order by l.id
$$;
