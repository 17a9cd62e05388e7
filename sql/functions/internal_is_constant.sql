-- Whether a law's learning rate is the same at every update.
create or replace function api.internal_is_constant(law jsonb) returns boolean
language sql immutable parallel safe as $$
  select not (law -> 'rate' ?| '{curve,warm_up}')
$$;
