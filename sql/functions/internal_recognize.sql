-- An earlier version stored specs and stages without comparing them with their digests. This
-- compares those that a submission reuses, and gives the stages the text of their digest. It raises
-- an error if a spec or a stage is not what its digest says.
create or replace function api.internal_recognize() returns void
language plpgsql as $$
declare
  stage bigint;
  flaw  text;
begin
  if exists (
      select from pg_temp.submitted_spec s
      join jobs.spec p on p.digest = api.internal_digest(s.document)
      where p.document <> s.document::jsonb)
  then
    raise exception 'the queue has another spec under a digest of this submission'
      using errcode = 'JC004', hint = 'fsck names its stages: delete the grids that they belong to';
  end if;
  select s.id, api.internal_stage_flaw(s, p.document, t.identity) into stage, flaw
  from pg_temp.known_stage k
  join jobs.stage s on s.id = k.id
  join jobs.spec p on p.digest = s.spec_digest
  join pg_temp.submitted_stage t on t.number = k.stage
  join pg_temp.submitted_seed d on d.number = k.seed
  where s.identity_id is null
    and (s.seed <> d.seed or api.internal_stage_flaw(s, p.document, t.identity) is not null)
  limit 1;
  if found then
    raise exception 'stage % of the queue is not what its digest is taken of: %', stage,
      coalesce(flaw, 'its seed is another')
      using errcode = 'JC004', hint = 'delete the grids that it belongs to';
  end if;
  update jobs.stage s set identity_id = i.id
  from pg_temp.known_stage k
  join pg_temp.stage_content c on c.number = k.stage
  join jobs.identity i on i.digest = c.identity
  where s.id = k.id and s.identity_id is null;
end $$;
