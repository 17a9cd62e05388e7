-- The seed is the stage's: a spec is common to all seeds, so a grid of a million seeds has one.
alter table jobs.stage add column seed bigint;
update jobs.stage s set seed = coalesce((p.document ->> 'seed')::bigint, 1)
from jobs.spec p where p.digest = s.spec_digest;
alter table jobs.stage alter column seed set not null;
comment on table jobs.spec is
  'What stages have in common, whatever their seeds: network, data, optimizer, ghost batch.';
