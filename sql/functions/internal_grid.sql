-- The number of a grid with this name, or an error.
create or replace function api.internal_grid(grid text) returns bigint
language plpgsql stable as $$
#variable_conflict use_variable
declare
  found_id bigint;
begin
  select g.id into found_id from jobs.grid g where g.name = grid;
  if found_id is null then
    raise exception 'there is no grid "%"', grid using errcode = 'JC002';
  end if;
  return found_id;
end $$;
