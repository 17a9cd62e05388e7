-- The queue hashes the text of each digest itself, and keeps the text: what a stage trains is
-- what its digest says, and fsck can compute every digest again. Stages that are older have no
-- text until somebody submits the like of them once more.
create table jobs.identity (
  id     bigint generated always as identity primary key,
  digest jobs.digest not null unique,
  text   text not null
);
comment on table jobs.identity is
  'The texts that the digests of stages are taken of, each once for all seeds: DEL stands where '
  'the seed goes.';
alter table jobs.stage add column identity_id bigint;
comment on column jobs.stage.identity_id is
  'The text of its digest (jobs.identity); null where an older version submitted it.';

-- A foreign key costs 8 us a row, and a file may bring a million. One submission makes the rows on
-- both sides in one transaction, and report.contradiction looks.
alter table jobs.stage drop constraint stage_spec_digest_fkey;
alter table jobs.stage drop constraint stage_dataset_digest_fkey;
alter table jobs.run drop constraint run_grid_id_fkey;
