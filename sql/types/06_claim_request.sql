-- What a worker wants to claim, and what it can train. Each of its backends is named with the
-- versions that its stages' digests have: 'native 5 1'. A test compares these columns with Swift's.
create type api.claim_request as (
  worker bigint, slots int, datasets text[], stores text[], backends text[],
  memory_bytes bigint, grid text, threads int, fingerprint text,
  excluded_stages bigint[]);
