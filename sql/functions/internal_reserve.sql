-- The first of so many numbers of a table's own, which nobody else will get. Called under
-- internal_serialize.
create or replace function api.internal_reserve(table_name text, n bigint) returns bigint
language plpgsql as $$
declare
  numbers regclass := pg_get_serial_sequence(table_name, 'id');
  first   bigint := nextval(numbers);
begin
  if n > 0 then perform setval(numbers, first + n - 1); end if;
  return first;
end $$;
