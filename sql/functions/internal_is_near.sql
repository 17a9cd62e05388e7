-- Whether two figures are the same but for rounding: another machine's sine and power may differ in
-- the last digit.
create or replace function api.internal_is_near(one float8, other float8) returns boolean
language sql immutable parallel safe as $$
  select one is not distinct from other or coalesce(abs(one - other) <= 1e-5 * abs(other), false)
$$;
