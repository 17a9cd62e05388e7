-- Whether a law as workers read it, with exact fractions, is the law of a digest, whose numbers are
-- as they are used: rounded to single precision.
create or replace function api.internal_is_law(law jsonb, identity jsonb) returns boolean
language sql immutable as $$
  select law = jsonb_build_object('batch', identity -> 'batch', 'momentum', law -> 'momentum',
      'rate', case when jsonb_typeof(identity -> 'rate') = 'number'
        then jsonb_build_object('base', law #> '{rate,base}') else identity -> 'rate' end)
    and api.internal_real(api.internal_fraction(law ->> 'momentum'))
      is not distinct from (identity ->> 'momentum')::real
    and (jsonb_typeof(identity -> 'rate') <> 'number'
      or api.internal_real(api.internal_fraction(law #>> '{rate,base}'))
        = (identity ->> 'rate')::real)
$$;
