-- Whether a stage's digest goes on from another's by one law, or by more of the same law: both
-- texts are the same but for the laws, and the first laws are the other's.
create or replace function api.internal_goes_on(identity text, parent text) returns boolean
language sql immutable as $$
  select a - 'laws' = b - 'laws' and (
    -- One law more.
    (a -> 'laws') - -1 = b -> 'laws'
    -- The same laws, of which the last one ends later.
    or (a -> 'laws') - -1 = (b -> 'laws') - -1
      and a #> '{laws,-1,law}' = b #> '{laws,-1,law}'
      and (a #>> '{laws,-1,until}')::bigint > (b #>> '{laws,-1,until}')::bigint)
  from (select replace(identity, chr(127), '0')::jsonb as a,
          replace(parent, chr(127), '0')::jsonb as b offset 0) content
$$;
