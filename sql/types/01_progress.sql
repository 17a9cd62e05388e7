-- How far an attempt is. What is null changes nothing that the queue knows. A test compares these
-- columns with Swift's.
create type api.progress as (
  updates bigint, samples bigint, seconds float8, core_seconds float8, samples_per_second real,
  threads int, peak_memory_bytes bigint, reason text,
  log text);
