-- The digest of a stage of a submission with a seed. A test compares these columns with Swift's.
create type api.submitted_digest as (
  stage int, seed int, digest text);
