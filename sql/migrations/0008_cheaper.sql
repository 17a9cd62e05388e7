-- The same of digests by decoding them: a regular expression of 64 characters took a third of the
-- time of a large submission.
alter domain jobs.digest drop constraint digest_check;
alter domain jobs.digest add constraint digest_check
  check (octet_length(value) = 64 and octet_length(decode(value, 'hex')) = 32);

-- A foreign key locks the row that it names, and writes that down. For the two of a run's stages
-- that was most of the time of storing them; and all workers' finishes locked the one row of their
-- store together. Functions write these columns and nothing else does; report.contradiction looks.
alter table jobs.run_stage drop constraint run_stage_run_id_fkey;
alter table jobs.run_stage drop constraint run_stage_stage_id_fkey;
alter table jobs.stage drop constraint stage_worker_id_fkey;
alter table jobs.attempt drop constraint attempt_worker_id_fkey;
alter table jobs.checkpoint drop constraint checkpoint_store_id_fkey;
