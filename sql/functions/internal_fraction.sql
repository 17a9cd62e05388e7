-- A fraction ("1/3") or a whole number, in double precision; null of a text that is neither.
create or replace function api.internal_fraction(written text) returns float8
language sql immutable parallel safe as $$
  select case when length(written) <= 300 and written ~ '^-?[0-9]+(/[1-9][0-9]*)?$'
    then split_part(written, '/', 1)::float8
      / coalesce(nullif(split_part(written, '/', 2), ''), '1')::float8
  end
$$;
