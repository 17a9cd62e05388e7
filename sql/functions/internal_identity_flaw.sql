-- Why the text of a digest cannot be one, null where it can. The text of a stage is the same for
-- each seed but for the seed itself: otherwise seeds would have other laws than the ones that are
-- read.
create or replace function api.internal_identity_flaw(identity text) returns text
language sql immutable as $$
  select case
    when jsonb_typeof(a -> 'laws') is distinct from 'array' or a -> 'laws' = '[]'
      then 'it has no laws'
    when a #> '{training,seed}' is distinct from '0' or b #> '{training,seed}' is distinct from '1'
      or (a #- '{training,seed}') - 'owner' <> (b #- '{training,seed}') - 'owner'
      then 'the seed stands elsewhere than in its place'
    when exists (
      select from api.internal_laws(a -> 'laws') l
      where l.law is null or l.batch is null or l.batch <= 0 or l.until is null
        or l.until <= l.before or (l.until - l.before) % l.batch <> 0
        or l.law = a #> array['laws', (l.place - 2)::text, 'law'] and l.place > 1)
      then 'its laws do not follow each other in whole updates'
  end
  from (select replace(identity, chr(127), '0')::jsonb as a,
          replace(identity, chr(127), '1')::jsonb as b offset 0) content
$$;
