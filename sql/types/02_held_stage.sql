-- A stage that a worker says it is training. A test compares these columns with Swift's.
create type api.held_stage as (
  stage bigint, attempt int, progress api.progress);
