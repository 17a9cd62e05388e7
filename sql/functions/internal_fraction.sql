-- A fraction ("1/3") or a whole number, in double precision.
create or replace function api.internal_fraction(written text) returns float8
language sql immutable as $$
  select split_part(written, '/', 1)::float8
    / coalesce(nullif(split_part(written, '/', 2), ''), '1')::float8
$$;
