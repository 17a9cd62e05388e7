-- What stages of a submission have in common, as canonical text: its digest names it. A test
-- compares these columns with Swift's.
create type api.submitted_spec as (
  document text);
