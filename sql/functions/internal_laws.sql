-- The laws of a stage's digest, from sample 0, each with the sample clock where it begins and ends.
create or replace function api.internal_laws(laws jsonb)
returns table (place bigint, law jsonb, before bigint, until bigint, batch bigint)
language sql immutable as $$
  select l.place, l.entry -> 'law',
    case when l.place > 1 then (laws #>> array[(l.place - 2)::text, 'until'])::bigint else 0 end,
    (l.entry ->> 'until')::bigint, nullif((l.entry #>> '{law,batch}')::bigint, 0)
  from jsonb_array_elements(laws) with ordinality as l(entry, place)
$$;
