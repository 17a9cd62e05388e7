-- What stages of a submission have in common. A test compares these columns with Swift's.
create type api.submitted_spec as (
  digest text, document jsonb);
