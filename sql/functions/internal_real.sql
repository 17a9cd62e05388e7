-- Rounded to single precision as trainers round: a number below the least one becomes 0, where a
-- cast would be an error.
create or replace function api.internal_real(value float8) returns real
language sql immutable parallel safe as $$
  -- Half of the least number that single precision has.
  select case when abs(value) <= 7.006492321624085e-46 then 0 else value end::real
$$;
