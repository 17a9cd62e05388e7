-- A stage of a submission, whatever the seed: the text of its digests, in which DEL stands for
-- the seed, the digest of its spec, and its law with exact fractions. A test compares these
-- columns with Swift's.
create type api.submitted_stage as (
  number int, setting int, parent int, identity text, spec text, law jsonb, memory_bytes bigint,
  pinned boolean, probe jsonb);
