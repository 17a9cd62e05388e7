-- Whether a live run of a grid wants a stage.
create or replace function api.internal_is_wanted(stage bigint, grid_number bigint) returns boolean
language plpgsql stable as $$
#variable_conflict use_variable
begin
  return exists (
    select from jobs.run_stage rs join jobs.run r on r.id = rs.run_id
    where rs.stage_id = stage and r.grid_id = grid_number and r.cancelled_at is null);
end $$;
