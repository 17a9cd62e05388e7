-- A checkpoint file: `digest` is the file's SHA-256, `parameters_digest` that of the parameters. A
-- test compares these columns with Swift's.
create type api.checkpoint as (
  store text, file text, samples bigint, updates bigint, bytes bigint, digest text,
  fingerprint text, parameters_digest text);
