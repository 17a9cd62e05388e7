-- What a worker wants to claim, and what it can train. A test compares these columns with Swift's.
create type api.claim_request as (
  worker bigint, slots int, datasets text[], stores text[], numerics_version int, preparation int,
  backends text[], memory_bytes bigint, grid text, threads int, fingerprint text,
  excluded_stages bigint[]);
