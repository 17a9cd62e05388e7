-- A power of a number from 0 to 1, as C's pow() gives it: one that is too small for double
-- precision is 0, where power() would be an error.
create or replace function api.internal_power(base float8, exponent float8) returns float8
language sql immutable parallel safe as $$
  select case
    when base = 0 then case when exponent = 0 then 1 else 0 end
    when exponent * ln(base) < -740 then 0
    else power(base, exponent)
  end
$$;
