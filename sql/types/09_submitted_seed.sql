-- A seed that every setting of a submission is run with. A test compares these columns with
-- Swift's.
create type api.submitted_seed as (
  number int, seed bigint);
