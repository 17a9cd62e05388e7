-- What a worker is, as it registers. A test compares these columns with Swift's.
create type api.worker_description as (
  name text, host text, pid int, version text, numerics_version int, fingerprint text, slots int,
  threads int, stores text[]);
